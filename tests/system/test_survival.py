"""A kill -9 of watch costs nothing: its programs go on, and the next start reads what they recorded."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import RungUnavailable
from agent.kernel import bpf_object
from agent.kernel.bpf_reader import RingReader
from agent.kernel.pin_folders import agent_folder, bpffs, remove_all
from agent.kernel.rings import Left, Rings
from evidence.kinds.act import Enter
from evidence.kinds.agent import Start, Stop
from evidence.kinds.connection import Close
from evidence.kinds.process import Exit
from tests.agent.feeds_at_work import run
from tests.system.agent_at_work import Agent, is_marked, run_marks

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: eBPF programs are loaded and pinned"),
    pytest.mark.skipif(bpffs() is None, reason="needs a mounted bpffs: mount -t bpf bpf /sys/fs/bpf"),
    pytest.mark.timeout(400),
]

MANY = 5000
SMALL = 1 << 16
TRUE = "/usr/bin/true"


@contextlib.contextmanager
def login_session(auid: int) -> Iterator[int]:
    """Start a process in a login session of its own, and end it afterwards."""
    script = f"echo {auid} > /proc/self/loginuid && exec sleep 100"
    process = subprocess.Popen(["/bin/sh", "-c", script])
    folder = Path(f"/proc/{process.pid}")
    while (folder / "loginuid").read_text() != str(auid):
        assert process.poll() is None, "the kernel keeps no login uid"
        time.sleep(0.01)
    try:
        yield int((folder / "sessionid").read_text())
    finally:
        process.kill()
        process.wait()


def test_what_is_executed_while_watch_is_dead_is_recorded_once_each(agent: Agent) -> None:
    with login_session(4242) as session:
        agent.start("watch")
        marks = run_marks(1, 50)
        agent.stop(signal.SIGKILL)
        assert {"exec", "connection"} <= agent.pins()
        marks += run_marks(51, 50 + MANY)
        agent.start("watch")
        marks += run_marks(51 + MANY, 100 + MANY)
        assert agent.stop() == 0
    bodies = agent.bodies()
    execs = [body for body in bodies if is_marked(body)]
    assert [body.argv[1] for body in execs] == marks, "all of them, in order, none twice"
    ends = Counter((body.pid, body.start) for body in bodies if isinstance(body, Exit))
    assert {ends[body.pid, body.start] for body in execs} == {1}
    first, second = (body for body in bodies if isinstance(body, Start))
    assert (first.clean, second.clean) == (True, False)
    assert not {"process", "module"} & set(second.blind), "recorded on; not there, or recorded on"
    assert {"file", "login"} <= set(second.blind)
    assert (4242, session) in {(one.auid, one.session) for one in second.logged_in}
    causes = {loss.cause for said in agent.statements() for loss in said.loss}
    assert "file: agent died" in causes
    assert not {cause for cause in causes if cause.startswith(("process:", "agent died"))}
    numbers = sorted(event.seq for event in agent.events())
    assert numbers == list(range(1, len(bodies) + 1)), "no number is missing, none given twice"
    assert agent.pins() == set(), "a stop leaves nothing behind"


def test_kills_at_any_moment_leave_each_exec_once(agent: Agent) -> None:
    marks: list[str] = []
    for turn in range(3):
        agent.start("watch")
        marks += run_marks(turn * 100, turn * 100 + 79)
        time.sleep(turn * 0.6)  # between taken in and sealed, and after
        agent.stop(signal.SIGKILL)
        marks += run_marks(turn * 100 + 80, turn * 100 + 99)
    agent.start("watch")
    assert agent.stop() == 0
    assert Counter(agent.marks()) == Counter(marks)
    assert [body.reason for body in agent.bodies() if isinstance(body, Stop)] == ["stopped by SIGTERM"]


def test_a_connection_of_the_dead_time_is_recorded_with_its_bytes(agent: Agent) -> None:
    script = (
        "import socket, time\n"
        "s = socket.create_server(('127.0.0.1', 0))\n"
        "c = socket.create_connection(s.getsockname()); a, _ = s.accept()\n"
        "c.sendall(b'x' * 12345); time.sleep(1.5); c.close()\n"
        "while a.recv(65536): pass\n"
    )
    agent.start("watch")
    agent.stop(signal.SIGKILL)
    subprocess.run(["/usr/bin/python3", "-I", "-c", script], check=True)
    agent.start("watch")
    assert agent.stop() == 0
    closed = [body for body in agent.bodies() if isinstance(body, Close) and body.bytes_out == 12_345]
    assert [body.direction for body in closed] == ["out"]


def test_an_act_of_the_dead_time_is_told_once(agent: Agent) -> None:
    agent.start("watch")
    agent.stop(signal.SIGKILL)
    pids = [run("/usr/bin/unshare", "--uts", TRUE) for _ in range(20)]
    agent.start("watch")
    assert agent.stop() == 0
    _, second = (body for body in agent.bodies() if isinstance(body, Start))
    if "namespace" in second.blind:
        pytest.skip("no rung of the namespace sensor has a ring here")
    entered = [body.actor.pid for body in agent.bodies() if isinstance(body, Enter) and body.actor]
    assert [pid for pid in entered if pid in pids] == pids


class Small:
    """A small ring, taken up by one reader after the other as by processes that are killed."""

    def __init__(self, folder: Path) -> None:
        self._pins = agent_folder(folder)
        self.rings = Rings(self._pins)

    def open(self, left: Left | None = None, *, layout: str = "") -> RingReader:
        self.rings = Rings(self._pins, left=left)
        try:
            return RingReader("exec", SMALL, self.rings.of("process"), layout=layout)
        except RungUnavailable as refused:
            pytest.skip(f"{refused.reason} ({refused.fix})")

    def left(self) -> Left:
        """Return where the open reader stands, as the files of what is not sealed keep it."""
        return Left(self.rings.positions("process"), self.rings.counted())


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    yield Small(tmp_path)
    remove_all(tmp_path)


def abandon(reader: RingReader) -> None:
    """Leave a reader as a kill does: nothing is unpinned."""
    reader.object.pins = None
    reader.close()


def drain(reader: RingReader) -> int:
    found = 0
    while records := reader.read():
        found += len(records)
    reader.release()
    return found


def produced(reader: RingReader) -> tuple[int, int]:
    """Return how many records were written since the object was loaded, and how many did not fit."""
    full, _, written = reader.object.counters("losses", 3)
    return written, full


def test_a_ring_that_overflowed_states_exactly_how_many_were_lost(small: Small) -> None:
    abandon(small.open())
    for number in range(400):
        run(TRUE, f"{number:0200}")
    reader = small.open()
    assert reader.continued
    lost, held = reader.lost(), drain(reader)
    written, full = produced(reader)
    assert lost == {"ring_full": full}
    assert full > 0
    assert held == written
    assert held + full >= 800, "an exec and an exit each"
    assert reader.lost() == {}
    left = small.left()
    abandon(reader)
    again = small.open(left)
    assert again.lost() == {}, "what was told is not told again"
    again.close()


def test_what_was_kept_is_not_read_again_and_what_was_not_is(small: Small) -> None:
    reader = small.open()
    run(TRUE, "kept")
    first = reader.read()
    left = small.left()  # kept, but killed before its space was given back
    run(TRUE, "not kept")
    second = reader.read()
    assert any(b"kept" in record for record in first)
    assert any(b"not kept" in record for record in second)
    abandon(reader)
    again = small.open(left)
    found = again.read()
    assert found[: len(second)] == second
    again.close()


def test_records_taken_out_of_a_full_ring_are_stated_when_a_second_kill_costs_them(small: Small) -> None:
    abandon(small.open())
    for number in range(400):
        run(TRUE, f"{number:0200}")
    second = small.open()
    _, full = produced(second)
    assert second.lost() == {"ring_full": full}
    left = Left({}, small.left().counted)
    abandon(second)  # killed before it had kept any of them
    third = small.open(left)
    gone, read = third.lost()["agent died"], 0
    while (rest := produced(third)[0] - gone - read) > 0:  # what others on this host execute comes in as well
        read += len(third.read())
    assert gone > 0
    assert rest == 0, "what was taken out is stated, what was not is read"
    third.close()


def test_another_version_with_the_same_layout_is_read_to_its_end(
    small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    abandon(small.open(layout="one"))
    run(TRUE, "of the older version")
    newer(monkeypatch, tmp_path)
    reader = small.open(layout="one")
    assert not reader.continued, "for a moment neither saw"
    assert any(b"of the older version" in record for record in reader.read())
    assert reader.lost() == {}
    reader.close()


def test_another_version_with_another_layout_is_counted_as_lost(
    small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    abandon(small.open(layout="one"))
    run(TRUE, "of the older version")
    newer(monkeypatch, tmp_path)
    reader = small.open(layout="two")
    lost = reader.lost()
    assert set(lost) == {"other version"}
    assert lost["other version"] >= 2, "its exec and its exit"
    assert not any(b"of the older version" in record for record in reader.read())
    reader.close()


def newer(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Replace the object by one that differs in what no loader looks at."""
    built = (bpf_object.OBJECTS / "exec.bpf.o").read_bytes()
    (folder / "exec.bpf.o").write_bytes(built + b"newer")
    monkeypatch.setattr(bpf_object, "OBJECTS", folder)
