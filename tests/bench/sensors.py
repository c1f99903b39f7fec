"""The sensors that are measured against each other: started, counted and stopped in the same way."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

from evidence.kind import Body
from evidence.kinds.connection import Close
from tests.agent.fake_collector import FakeCollector
from tests.bench.exec_cost import arrived, cost, rest
from tests.bench.proc_figures import cpu_ns, family, pss, told
from tests.bench.program import Program
from tests.system.agent_at_work import unpinned

_RULES = """-D
-b 8192
-f 1
--backlog_wait_time 60000
-a always,exit -F arch=b64 -S execve,execveat -k exec
-a always,exit -F arch=b64 -S connect -F a2!=110 -k connect
-w {watched} -p wa -k file
"""
_AUDITD = """local_events = yes
write_logs = {write_logs}
log_file = {folder}/audit.log
log_format = ENRICHED
flush = INCREMENTAL_ASYNC
freq = 50
max_log_file = 2000
num_logs = 2
max_log_file_action = ROTATE
space_left = 75
space_left_action = IGNORE
admin_space_left = 50
admin_space_left_action = IGNORE
disk_full_action = IGNORE
disk_error_action = IGNORE
q_depth = 20000
overflow_action = IGNORE
plugin_dir = {folder}/plugins
"""
_PLUGIN = """active = yes
direction = out
path = /usr/sbin/laurel
type = always
args = --config {folder}/laurel.toml
format = string
"""
_LAUREL = """directory = "{folder}/laurel"
user = "root"
[auditlog]
file = "audit.log"
size = 2000000000
generations = 2
"""


_TRACEFS = Path("/sys/kernel/tracing")
_STORM = ("/bin/true", "storm")
_LONGEST_START = 45.0


class Sensor(ABC):
    """One of the compared. folder is its own, watched the tree whose files it shall watch."""

    name: str
    prints_only = False
    workloads: tuple[str, ...] = ("exec", "connect", "file")

    def __init__(self, folder: Path, watched: Path) -> None:
        """Prepare; nothing runs yet."""
        self.folder, self.watched = folder, watched

    @abstractmethod
    def start(self) -> None:
        """Begin to watch; on return it sees everything."""

    @abstractmethod
    def stop(self) -> None:
        """End; nothing of it is left running."""

    @abstractmethod
    def spent(self) -> float:
        """Return the nanoseconds of CPU used so far, those in the kernel on its behalf included."""

    @abstractmethod
    def memory(self) -> float:
        """Return its PSS now, in MB."""

    @abstractmethod
    def wrote(self, began: int, ended: int) -> float:
        """Return the bytes that tell of what happened between two times (UTC ns)."""

    @abstractmethod
    def lost(self, workload: str, count: int, began: int, ended: int) -> int:
        """Return how many of count operations between two times it lost."""


class Auditd(Sensor):
    """auditd with rules for exec, connect and one tree."""

    name = "auditd"
    write_logs = "yes"
    log = "audit.log"

    def start(self) -> None:
        """Start the daemon, then load the rules."""
        (self.folder / "plugins").mkdir(exist_ok=True)
        self._configure()
        (self.folder / "rules").write_text(_RULES.format(watched=self.watched))
        self._daemon = subprocess.Popen(
            ["/sbin/auditd", "-n", "-c", self.folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(1.0)
        subprocess.run(["auditctl", "-R", self.folder / "rules"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["auditctl", "-e", "1"], check=True, stdout=subprocess.DEVNULL)
        self._was_lost = _audit_lost()

    def _configure(self) -> None:
        text = _AUDITD.format(folder=self.folder, write_logs=self.write_logs)
        (self.folder / "auditd.conf").write_text(text)

    def stop(self) -> None:
        """Remove the rules, then end the daemon and drop its log."""
        subprocess.run(["auditctl", "-D"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["auditctl", "-e", "0"], check=True, stdout=subprocess.DEVNULL)
        _end(self._daemon)
        (self.folder / self.log).unlink(missing_ok=True)

    def spent(self) -> float:
        """Return the daemon's, its plugins' and the kernel's audit thread's."""
        return sum(cpu_ns(pid) for pid in [*family(self._daemon.pid), _kauditd()])

    def memory(self) -> float:
        """Return that of daemon and plugins."""
        return sum(map(pss, family(self._daemon.pid))) / 1024

    def wrote(self, began: int, ended: int) -> float:  # noqa: ARG002 - all that is in the log
        """Return the size of the log."""
        log = self.folder / self.log
        return float(log.stat().st_size) if log.exists() else 0.0

    def lost(self, workload: str, count: int, began: int, ended: int) -> int:  # noqa: ARG002 - the kernel counts
        """Return what the kernel says."""
        return _audit_lost() - self._was_lost


class Laurel(Auditd):
    """auditd that hands everything to laurel, which writes JSON."""

    name = "auditd+laurel"
    write_logs = "no"
    log = "laurel/audit.log"

    def _configure(self) -> None:
        super()._configure()
        (self.folder / "laurel").mkdir(exist_ok=True)
        (self.folder / "laurel.toml").write_text(_LAUREL.format(folder=self.folder))
        (self.folder / "plugins/laurel.conf").write_text(_PLUGIN.format(folder=self.folder))


class Execsnoop(Sensor):
    """libbpf-tools' execsnoop: a C program that prints a line for each exec."""

    name = "execsnoop"
    prints_only = True
    workloads = ("exec",)

    def start(self) -> None:
        """Start it, with the kernel's list of tracepoints where it looks for that.

        Raises:
            RuntimeError: it does not run.
        """
        if not _TRACEFS.joinpath("events").exists():
            subprocess.run(["mount", "-t", "tracefs", "tracefs", _TRACEFS], check=True)
        self._log = (self.folder / "out").open("wb")
        self._started = time.time_ns()
        self._program = subprocess.Popen(["/usr/sbin/execsnoop", "-t", "-U"], stdout=self._log)
        time.sleep(2.0)
        if self._program.poll() is not None:
            raise RuntimeError("execsnoop ended at once")

    def stop(self) -> None:
        """End it."""
        _end(self._program)
        self._log.close()

    def spent(self) -> float:
        """Return its CPU and its programs' in the kernel."""
        return sum(cost([self._program.pid]).values())

    def memory(self) -> float:
        """Return its own."""
        return pss(self._program.pid) / 1024

    def wrote(self, began: int, ended: int) -> float:  # noqa: ARG002 - all that it printed
        """Return the size of its output."""
        return float((self.folder / "out").stat().st_size)

    def lost(self, workload: str, count: int, began: int, ended: int) -> int:  # noqa: ARG002 - its lines tell
        """Return how many lines are missing; each begins with the seconds since its start."""
        since = (began - self._started) / 1e9 - 1.0
        lines = (self.folder / "out").read_bytes().splitlines()
        storm = [line for line in lines if b"/bin/true storm" in line]
        return count - sum(float(line.split()[0]) >= since for line in storm)


class Vedette(Sensor):
    """The whole agent as it is installed: all sensors and hashing on, every batch acknowledged."""

    name = "vedette"

    def __init__(
        self, folder: Path, watched: Path, collector: FakeCollector, baseline: Path, program: Program
    ) -> None:
        """Enrol at the collector; baseline is a large tree that is watched as well."""
        super().__init__(folder, watched)
        self._collector, self._program = collector, program
        folder.chmod(0o711)  # ship, another user, passes through
        self._config = folder / "agent.toml"
        self._config.write_text(
            f"state = '{folder}/state'\nruntime = '{folder}/run'\n"
            f"[collector]\ningest = '{collector.ingest}'\nenrol = '{collector.enrol}'\n"
            f"[file]\ntrees = ['/etc', '{watched}', '{baseline}']\n"
            # The scan is over before anything is measured; it need not take its time.
            "scan_files_per_s = 100_000\nscan_bytes_per_s = 1_000_000_000\nscan_cpu_share = 1.0\n"
        )
        program.enrol(self._config, collector.token.line())

    @property
    def pids(self) -> list[int]:
        """Return its processes."""
        return self._agent.pids()

    def start(self) -> None:
        """Start it, and let it take its baseline and come to rest."""
        self._agent = self._program.start(self._config)
        rest(self.spent, _LONGEST_START)

    def stop(self) -> None:
        """End it."""
        with unpinned(self._config.parent / "state"):
            self._agent.stop()

    def spent(self) -> float:
        """Return that of all its processes and of the programs in the kernel."""
        return sum(cost(self.pids).values())

    def memory(self) -> float:
        """Return that of all its processes."""
        return sum(map(pss, self.pids)) / 1024

    def wrote(self, began: int, ended: int) -> float:
        """Return the bytes of the signed, compressed batches."""
        return float(arrived(self._collector, began, ended)[1])

    def lost(self, workload: str, count: int, began: int, ended: int) -> int:
        """Return what is missing, by the events themselves; of files the state counts, so none is."""
        events = [event.body for event in arrived(self._collector, began, ended)[0]]
        if workload == "exec":
            return count - len([1 for body in events if getattr(body, "argv", ())[:2] == _STORM])
        if workload == "connect":
            return max(0, count - sum(_flows(body) for body in events))
        return 0


def _flows(body: Body) -> int:
    """Return how many connections an event tells the end of: short ones are told together."""
    return (body.flows or 1) if isinstance(body, Close) and body.direction == "out" else 0


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _audit_lost() -> int:
    shown = subprocess.run(["auditctl", "-s"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"lost (\d+)", shown)
    return int(found[1]) if found else 0


def _kauditd() -> int:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and told(entry / "comm").strip() == "kauditd":
            return int(entry.name)
    raise RuntimeError("this kernel has no audit thread")
