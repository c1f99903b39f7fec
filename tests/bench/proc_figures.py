"""What proc(5) tells of running processes: who they are, their CPU, memory and wake-ups."""

from __future__ import annotations

from pathlib import Path


def told(file: Path) -> str:
    """Return what a file of /proc says; nothing where its process, thread or descriptor has gone."""
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def entries(folder: Path) -> list[Path]:
    """Return what lies in a folder of /proc; nothing where its process has gone."""
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return []


def children(pid: int) -> list[int]:
    """Return the children of a process that has one thread which forks."""
    return [int(child) for child in told(Path(f"/proc/{pid}/task/{pid}/children")).split()]


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    return [pid, *(one for child in children(pid) for one in family(child))]


def comm(pid: int) -> str:
    """Return the name of a process, fit for the name of a row."""
    return told(Path(f"/proc/{pid}/comm")).strip().replace("-", "_")


def pss(pid: int) -> int:
    """Return the KiB of a process, what it shares counted by its share."""
    rollup = told(Path(f"/proc/{pid}/smaps_rollup"))
    return next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)


def cpu_ns(pid: int) -> int:
    """Return the time on a CPU of all threads (proc(5), schedstat)."""
    spent = [told(task / "schedstat").split() for task in entries(Path(f"/proc/{pid}/task"))]
    return sum(int(times[0]) for times in spent if times)


def switches(pid: int) -> int:
    """Return the voluntary context switches of all threads: how often the process slept and was woken."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = (task / "status").read_text()
        total += next(int(line.split()[1]) for line in status.splitlines() if line.startswith("voluntary"))
    return total
