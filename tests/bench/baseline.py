"""A first baseline of 100,000 files beside aide's, over the same tree: JSON rows of name, value, unit.

Ours is the file sensor's own scan in a process of its own, unthrottled and with the default throttle; aide
hashes and keeps the same attributes. Each takes its turn twice, the lower figure counts: the machine is
shared. Before each run the tree is written out and dropped from memory: all read it from the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES, BYTES = 100_000, 590 << 20
PER_FOLDER = 100
AIDE = "ftype+p+u+g+s+m+xattrs+sha256"
"""What both keep of a file: type, permissions, owner, size, time of change, attributes, hash."""

Row = dict[str, object]


def main() -> int:
    """Make the tree, run both, print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("/dev/stdout"), metavar="FILE")
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--unthrottled-only", action="store_true", help="leave the throttled run out")
    parser.add_argument("--scan", nargs=3, metavar=("TREE", "STATE", "THROTTLE"), help=argparse.SUPPRESS)
    parser.add_argument("--package", type=Path, metavar="DEB", help="measure this package's agent")
    options = parser.parse_args()
    if options.scan:
        scan(Path(options.scan[0]), Path(options.scan[1]), throttled=options.scan[2] == "default")
        return 0
    from tests.bench import program  # noqa: PLC0415 - a package's Python, which scans, has no tests

    with (
        program.chosen(options.package) as measured,
        tempfile.TemporaryDirectory(prefix="vedette-bench-") as folder,
    ):
        tree = Path(folder) / "tree"
        make_tree(tree, options.files)
        rows = [row("files", options.files, "files")]
        rows += compare(
            tree, Path(folder), measured.python, options.rounds, throttled=not options.unthrottled_only
        )
    options.json.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return 0


def make_tree(tree: Path, files: int) -> None:
    """Make folders of a hundred files whose sizes vary around the mean, the same in every run."""
    sizes, content = random.Random(7), os.urandom(1 << 20)  # noqa: S311 - sizes, not secrets
    mean = BYTES // FILES
    for number in range(files):
        folder = tree / f"{number // PER_FOLDER // 40:02}" / f"{number // PER_FOLDER:04}"
        if number % PER_FOLDER == 0:
            folder.mkdir(parents=True)
        at, size = sizes.randrange(1 << 19), min(int(sizes.expovariate(1 / mean)), 1 << 19)
        (folder / f"file{number}.conf").write_bytes(content[at : at + size])


def compare(tree: Path, folder: Path, python: tuple[str, ...], rounds: int, *, throttled: bool) -> list[Row]:
    """Return the rows of all programs, each the lowest of its rounds; python is the agent's interpreter."""
    aide = find_aide()
    names = [*(["aide"] if aide else []), "vedette"]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names:
            state = folder / f"{name}{number}"
            state.mkdir()
            forget(tree)
            found[name].append(
                run_aide(aide, tree, state) if aide and name == "aide" else ours(python, tree, state)
            )
    if throttled:
        (folder / "throttled").mkdir()
        forget(tree)
        found["vedette_throttled"] = [ours(python, tree, folder / "throttled", throttle="default")]
    rows = [
        row(f"{name}_{measure}", min(run[measure] for run in runs), unit)
        for name, runs in found.items()
        for measure, unit in (("cpu_s", "s"), ("wall_s", "s"), ("rss_mb", "MB"), ("database_mb", "MB"))
    ]
    if aide is None:
        print("aide is missing and could not be installed: nothing to compare with", file=sys.stderr)
    return rows


def forget(tree: Path) -> None:
    """Drop the files' content from memory, where it is since they were made or last read."""
    os.sync()
    for folder, _, names in os.walk(tree):
        for name in names:
            fd = os.open(f"{folder}/{name}", os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def find_aide() -> str | None:
    """Return aide's path; root gets it installed where apt knows it."""
    if shutil.which("aide") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        command = ["apt-get", "install", "-qq", "--no-install-recommends", "aide"]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return shutil.which("aide")


def run_aide(aide: str, tree: Path, state: Path) -> dict[str, float]:
    """Return what `aide --init` costs."""
    database, config = state / "aide.db", state / "aide.conf"
    config.write_text(
        f"database_out=file:{database}\ngzip_dbout=no\nreport_url=file:{state}/report\n{tree} {AIDE}\n"
    )
    return cost([aide, "--init", "--config", str(config)], database)


def ours(python: tuple[str, ...], tree: Path, state: Path, *, throttle: str = "none") -> dict[str, float]:
    """Return what our scan costs, the start of the interpreter included."""
    command = [*python, "-P", str(Path(__file__)), "--scan", str(tree), str(state), throttle]
    return cost(command, state / "baseline.db")


def cost(command: list[str], database: Path) -> dict[str, float]:
    """Run command to its end; return its time, memory and the size of what it wrote."""
    began = time.monotonic()
    pid = os.posix_spawnp(command[0], command, {**os.environ, "PYTHONPATH": str(ROOT)})
    _, status, used = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{command[0]} failed: {os.waitstatus_to_exitcode(status)}")
    return {
        "wall_s": time.monotonic() - began,
        "cpu_s": used.ru_utime + used.ru_stime,
        "rss_mb": used.ru_maxrss / 1024,
        "database_mb": database.stat().st_size / (1 << 20),
    }


def scan(tree: Path, state: Path, *, throttled: bool) -> None:
    """Learn tree with the file sensor as watch drives it, until nothing is left to do."""
    from agent.processes import ProcessTable  # noqa: PLC0415 - the parent needs none of it
    from agent.sensor import Context, Moment  # noqa: PLC0415
    from agent.sensors.file import SENSOR  # noqa: PLC0415
    from agent.settings import File, Settings  # noqa: PLC0415

    def clock() -> Moment:
        return Moment(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))

    plain = File(trees=(str(tree),), sensitive=(), dpkg=str(state / "no-dpkg"))
    free = File(
        trees=plain.trees,
        sensitive=(),
        dpkg=plain.dpkg,
        scan_files_per_s=10_000_000,
        scan_bytes_per_s=1 << 40,
        scan_cpu_share=1.0,
        scan_pressure=100.0,
    )
    settings = Settings(file=plain if throttled else free)
    context = Context(settings, state, ProcessTable(64, lambda _: None), clock)
    feed = SENSOR.rungs[0].open(context)
    while (feed.period or 0) <= 1:  # it creeps, a second between slices, while others wait
        list(feed.read(clock()))
        select.select(feed.filenos(), [], [], feed.period)
    feed.close()
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"ours: {used.ru_utime:.2f} user {used.ru_stime:.2f} system", file=sys.stderr)


def row(name: str, value: float, unit: str) -> Row:
    """Return one row."""
    return {"name": name, "value": round(value, 3), "unit": unit}


if __name__ == "__main__":
    sys.exit(main())
