"""A fork bomb: the agent lives in bounded memory, logins are delivered meanwhile, losses are exact."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
import pytest

from agent.errors import RungUnavailable
from agent.governing.governor import OVER_BUDGET, Governor
from agent.governing.interactive import InteractiveSessions
from agent.governing.shedding import SAMPLE, Shedding
from agent.reporting import status
from agent.sensors.process import SENSOR
from evidence.kind import Body
from evidence.kinds.agent import Loss
from evidence.kinds.login import Accepted
from evidence.kinds.process import Exec, Exit
from tests.agent import enrolled_host
from tests.agent.feeds_at_work import context, run, rung_of
from tests.system.agent_at_work import ROOT, Agent, agent_in
from tests.system.test_exec_storm import Pipeline

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: namespaces are made, another user is taken"),
    pytest.mark.timeout(300),
]

TRUE = "/bin/true"
FORKS, ALIVE = 100_000, 200
UID = 64_999
"""Of nobody else: the bomb's processes are counted by it, and bounded by RLIMIT_NPROC."""
GROWTH = 80 << 20
SHARE = 0.02
UNSHARE = ("/usr/bin/unshare", "--pid", "--net", "--mount-proc", "--fork", "--kill-child")
ENTER = 'test -z "$1" || echo 0 > "$1/cgroup.procs"; shift; exec "$@"'
PIDS = (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("needs a C compiler for the bomb")
    built = tmp_path_factory.mktemp("bomb") / "fork_bomb"
    source = Path(__file__).with_name("fork_bomb.c")
    subprocess.run([compiler, "-O2", "-o", str(built), str(source)], check=True)
    return built


@pytest.fixture
def cgroup() -> Iterator[Path | None]:
    """Yield a cgroup that holds no more than the bomb needs; None where no such limit reads back."""
    root = next((root for root in PIDS if (root / "cgroup.procs").exists()), None)
    if root is None:
        yield None
        return
    folder = root / f"vedette-bomb-{os.getpid()}"
    try:
        yield folder if limited(folder, str(ALIVE + 10)) else None
    finally:
        while folder.exists():  # until its last process has left
            with contextlib.suppress(OSError):
                folder.rmdir()
            time.sleep(0.05)


def limited(folder: Path, limit: str) -> bool:
    """Make a cgroup of at most so many processes; return whether the limit reads back."""
    with contextlib.suppress(OSError):
        folder.mkdir()
        (folder / "pids.max").write_text(limit)
        return (folder / "pids.max").read_text().strip() == limit
    return False


class Host:
    """A pid namespace with an agent that sees it alone, so that each process in it is known."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        folder = agent.folder
        self.log = folder / "auth.log"
        self.log.touch()
        agent.config.write_text(
            f"scope = 'namespace'\nstate = '{folder}/state'\nruntime = '{folder}/run'\nheartbeat = 60\n"
            f"[governor]\ncpu_share = {SHARE}\n"
            "[host_state]\nrung = 'none'\n[file]\ntrees = []\nsensitive = []\n"
            f"[login]\nrung = 'wait'\nlogs = ['{self.log}']\nwtmp = '{folder}/wtmp'\nbtmp = '{folder}/btmp'\n"
            "[collector]\ningest = 'https://127.0.0.1:1'\n"
        )
        command = [*UNSHARE, sys.executable, "-m", "tests.system.namespace_host", str(agent.config)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        agent.process = self.process
        agent.wait((folder / "run/status.json").exists, "watch reports")
        (self.first,) = children(self.process.pid)
        (self.watch,) = children(self.first)

    def detonate(self, program: Path, cgroup: Path | None) -> subprocess.Popen[str]:
        """Start the bomb in the namespace; it ends with its standard input."""
        enter = ["nsenter", "--target", str(self.first), "--pid", "/bin/sh", "-c", ENTER, "sh"]
        bomb = [str(cgroup or ""), str(program), str(FORKS), str(ALIVE), str(UID)]
        return subprocess.Popen(enter + bomb, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, word: str, value: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word} {value}\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def log_in(self, user: str) -> None:
        now = datetime.now(UTC).isoformat()
        with self.log.open("a") as log:
            log.write(f"{now} host sshd[99]: Accepted password for {user} from 192.0.2.7 port 22 ssh2\n")

    def delivered(self) -> list[Body]:
        """Return what the priority lane has sealed."""
        sealed = enrolled_host.sealed(self.agent.places.spool, "priority")
        return [event.body for _, events in sealed for event in events]

    def open_since(self, moment: int) -> bool:
        """Return whether a status written after the moment (UTC ns) says that nothing is shed."""
        said = status.read(self.agent.folder / "run")
        return said.time > moment and said.shedding is None

    def memory(self, field: str) -> int:
        lines = Path(f"/proc/{self.watch}/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith(field))

    def stop(self) -> None:
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    if subprocess.run([*UNSHARE, TRUE], check=False).returncode:
        pytest.skip("the kernel or the container makes no namespaces here")
    with agent_in(tmp_path) as agent:
        try:
            yield Host(agent)
        finally:
            if agent.process is not None and agent.process.poll() is None:
                agent.process.kill()
                agent.process.communicate()


def test_logins_are_delivered_during_a_fork_bomb_and_each_of_its_processes_is_told_or_counted(
    host: Host, program: Path, cgroup: Path | None, record_property: Callable[[str, object], None]
) -> None:
    host.do("true", "before")
    before = host.memory("VmRSS")
    bomb = host.detonate(program, cgroup)
    assert bomb.stdin is not None
    try:
        host.agent.wait(lambda: any(isinstance(body, Loss) for body in host.delivered()), "bulk is shed")
        began = time.monotonic()
        host.log_in("alice")
        host.agent.wait(lambda: any(isinstance(body, Accepted) for body in host.delivered()), "the login")
        record_property("login_s", round(time.monotonic() - began, 2))
        assert bomb.poll() is None, "delivered while it goes on"
    finally:
        told, _ = bomb.communicate(timeout=120)
    forked, executed = map(int, told.split())
    record_property("forked", forked)
    host.agent.wait(partial(host.open_since, time.time_ns()), "nothing is shed any more")
    host.do("true", "after")
    peak = host.memory("VmHWM")
    record_property("grown", peak - before)
    host.stop()
    bodies = host.agent.bodies()
    bombs = Counter(type(body) for body in bodies if isinstance(body, Exec | Exit) and body.uid == UID)
    lost = signed_losses(host.agent)
    assert lost["process.exec"] + lost["process.exit"] > 0
    assert bombs.total() + lost.total() == forked + executed + 1, "each fork's end, each exec, its own end"
    marks = [body.argv[1] for body in bodies if isinstance(body, Exec) and body.exe == "/usr/bin/true"]
    assert (marks.count("before"), marks.count("after")) == (1, 1)
    shed = next(body for body in bodies if isinstance(body, Loss) and body.sensor == "watch")
    assert shed.cause == OVER_BUDGET
    assert all(f"uid {UID}" in producer for producer in shed.top or {})
    assert peak - before < GROWTH


def signed_losses(agent: Agent) -> Counter[str]:
    """Return what the statements say was shed, and what the ring of processes did not take."""
    lost: Counter[str] = Counter()
    for statement in agent.statements():
        for loss in statement.loss:
            if loss.cause.startswith(("watch: ", "process: ")):
                lost.update(loss.counts)
    return lost


def test_execs_are_shed_by_their_headers_and_processes_stay_who_they_are(tmp_path: Path) -> None:
    sessions = InteractiveSessions(0)
    shedding = Shedding(Governor(0.01), sessions)
    around = msgspec.structs.replace(context(tmp_path), shedding=shedding)
    mark, many = f"header-{os.getpid()}", 3 * SAMPLE
    try:
        feed = rung_of(SENSOR, "bpf").open(around)
    except RungUnavailable as refused:
        pytest.skip(f"{refused.reason} ({refused.fix})")
    with contextlib.closing(feed):
        pipeline = Pipeline(feed, sessions, shedding)
        for now in (0, 1):
            shedding.measure(now, now * 60_000_000_000)
        # Through a shell: what the reader of the ring starts itself is never shed by its header.
        run("/bin/sh", "-c", f"for n in $(seq {many}); do {TRUE} {mark}; done")
        words = ["/bin/sh", "-c", "/bin/sleep 60 & echo $!; wait"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as shell:
            assert shell.stdout is not None
            sleeper = int(shell.stdout.readline())
            while Path(f"/proc/{sleeper}/exe").readlink() != Path("/usr/bin/sleep"):
                time.sleep(0.01)
            events = pipeline.finish()
            actor = pipeline.processes.actor(sleeper)
            os.kill(sleeper, signal.SIGKILL)
    told = [event.body for event in events if isinstance(event.body, Exec) and mark in event.body.argv]
    lost: Counter[str] = Counter()
    for loss in pipeline.losses.waiting():
        lost.update(loss.counts)
    assert len(told) <= SAMPLE
    assert lost["process.exec"] >= many + 1 - len(told)
    assert not any(isinstance(event.body, Exec) and event.body.pid == sleeper for event in events)
    assert actor is not None
    assert (actor.exe, actor.uid, actor.cmd_line) == ("/usr/bin/sleep", 0, None)
