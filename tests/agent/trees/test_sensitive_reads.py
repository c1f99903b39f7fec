"""Reads of sensitive files, with real fanotify."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.errors import RungUnavailable
from agent.processes import ProcessTable
from agent.sensor import Moment, Processes
from agent.settings import File
from agent.trees.sensitive_reads import SensitiveReads
from evidence.kind import Actor
from evidence.kinds.file import Read
from evidence.kinds.process import Exec

pytestmark = pytest.mark.root
told_who = pytest.mark.skipif(os.geteuid() != 0, reason="the kernel tells an ordinary user no reader")


class ExecTable:
    """Names every pid, as the table of executed programs does for one that is gone."""

    def actor(self, pid: int, mono: int | None = None) -> Actor | None:  # noqa: ARG002 - of the protocol
        return Actor(pid=pid, start=5, exe="/bin/cat", auid=1000, session=7)

    def formers(self, pid: int, since: int, until: int) -> tuple[Actor, ...]:  # noqa: ARG002 - of the protocol
        return ()

    def became(self, pid: int, start: int | None, since: int, until: int) -> str | None:  # noqa: ARG002 - as above
        return None


class LateTable:
    """Names a process only once it is told of its exec."""

    def __init__(self) -> None:
        self.told: set[int] = set()

    def actor(self, pid: int, mono: int | None = None) -> Actor | None:  # noqa: ARG002 - of the protocol
        return Actor(pid=pid, exe="/bin/cat") if pid in self.told else None

    def formers(self, pid: int, since: int, until: int) -> tuple[Actor, ...]:  # noqa: ARG002 - of the protocol
        return ()

    def became(self, pid: int, start: int | None, since: int, until: int) -> str | None:  # noqa: ARG002 - as above
        return None


def clock() -> Moment:
    return Moment(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))


def settings(folder: Path, patterns: tuple[str, ...], decoys: tuple[str, ...]) -> File:
    sensitive, canaries = (tuple(str(folder / one) for one in some) for some in (patterns, decoys))
    return File(sensitive=sensitive, decoys=canaries, read_window=0.3)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., SensitiveReads]]:
    feeds: list[SensitiveReads] = []

    def start(
        *patterns: str,
        decoys: tuple[str, ...] = (),
        table: Processes | None = None,
        at: Callable[[], Moment] = clock,
    ) -> SensitiveReads:
        wanted = settings(tmp_path, patterns, decoys)
        try:
            feeds.append(SensitiveReads(wanted, ExecTable() if table is None else table, at))
        except RungUnavailable as reason:
            pytest.skip(f"fanotify: {reason}")
        feeds[-1].read(clock())
        return feeds[-1]

    yield start
    for feed in feeds:
        feed.close()


def after(now: Moment, seconds: float) -> Moment:
    passed = int(seconds * 1e9)
    return Moment(now.time + passed, now.mono + passed)


def reads(feed: SensitiveReads, *, while_open: bool = False) -> list[Read]:
    """Return all reads until nothing is gathered, or while_open those of the first event."""
    found = [seen.body for seen in feed.read(clock())]
    while feed.pause is not None and not (found and while_open):
        time.sleep(0.02)
        found += [seen.body for seen in feed.read(clock())]
    return [body for body in found if isinstance(body, Read)]


def cat(*paths: Path) -> None:
    subprocess.run(["cat", *paths], check=True, capture_output=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file to another user needs root")
def test_a_process_that_is_gone_is_named(tmp_path: Path, opened: Callable[..., SensitiveReads]) -> None:
    for name in ("id_a", "id_b", "other"):
        (tmp_path / name).write_text("secret")
    os.chown(tmp_path / "id_a", 1234, 0)
    feed = opened("id_*")
    cat(tmp_path / "id_a", tmp_path / "other", tmp_path / "id_b")
    (event,) = reads(feed)
    assert event.paths == (str(tmp_path / "id_a"), str(tmp_path / "id_b"))
    assert (event.files, event.owner, event.tree) == (2, 1234, str(tmp_path / "id_*"))
    assert event.actor is not None
    assert (event.actor.auid, event.actor.session, event.actor.exe) == (1000, 7, "/bin/cat")


@told_who
def test_a_reader_whose_exec_is_told_later_is_waited_for(
    tmp_path: Path, opened: Callable[..., SensitiveReads]
) -> None:
    (tmp_path / "shadow").write_text("secret")
    table = LateTable()
    feed = opened("shadow", table=table)
    with subprocess.Popen(["cat", tmp_path / "shadow"], stdout=subprocess.DEVNULL) as reader:
        reader.wait()
    now = clock()
    assert list(feed.read(now)) == []
    assert feed.pause == pytest.approx(0.1)
    table.told.add(reader.pid)
    (named,) = feed.read(after(now, 0.2))
    assert isinstance(named.body, Read)
    assert named.body.actor == Actor(pid=reader.pid, exe="/bin/cat")
    cat(tmp_path / "shadow")
    assert list(feed.read(now)) == []
    (nameless,) = feed.read(Moment(now.time, now.mono + 1_000_000_000))
    assert isinstance(nameless.body, Read)
    assert nameless.body.actor is not None
    assert nameless.body.actor.exe is None


SUDO, SHELL, SCRIPT = "/usr/bin/sudo", "/usr/bin/bash", "/usr/bin/python3"
ID, CAT = "/usr/bin/id", "/usr/bin/cat"


@told_who
@pytest.mark.parametrize(
    ("programs", "reader", "ago"),
    [
        ((SHELL, SUDO), SUDO, (0.01,)),  # the shell becomes sudo, which reads
        ((SUDO, ID), SUDO, (0.01,)),  # sudo has read, then becomes the command
        ((SUDO, SHELL, ID), SUDO, (0.02, 0.01)),  # or what becomes the command
        ((SUDO, ID), SUDO, (-0.1,)),  # it does after the read
        ((SUDO, ID), ID, (0.3,)),  # long before
        ((SUDO, CAT), CAT, (0.01,)),  # told to read the file itself
        ((SHELL, ID), SHELL, (-0.1,)),
        ((SCRIPT, SHELL, ID), SCRIPT, (-0.001, -0.002)),  # twice after the read
    ],
)
def test_the_reader_is_what_the_process_was_when_it_read(
    tmp_path: Path,
    opened: Callable[..., SensitiveReads],
    programs: tuple[str, ...],
    reader: str,
    ago: tuple[float, ...],
) -> None:
    (tmp_path / "shadow").write_text("secret")
    table, moments = ProcessTable(16, lambda _: None), [clock()]
    feed = opened("shadow", table=table, at=lambda: moments[-1])
    moments.append(after(moments[0], 10))
    with subprocess.Popen(["cat", tmp_path / "shadow"], stdout=subprocess.DEVNULL) as process:
        process.wait()
    now = moments[-1]
    start = now.mono - 60_000_000_000
    told = [
        Exec(pid=process.pid, start=start, exe=exe, argv=(exe, f"{tmp_path}/shadow") if exe == CAT else ())
        for exe in programs
    ]
    table.observe(told[0], start)
    assert list(feed.read(now)) == [], "the other execs are told after the read"
    for body, seconds in zip(told[1:], ago, strict=True):
        table.observe(body, now.mono - int(seconds * 1e9))
    (event,) = [one.body for one in feed.read(after(now, 0.2))]
    assert isinstance(event, Read)
    assert event.actor is not None
    assert event.actor.exe == reader


@told_who
def test_what_was_read_since_an_exec_is_not_the_former_programs(
    tmp_path: Path, opened: Callable[..., SensitiveReads]
) -> None:
    (tmp_path / "shadow").write_text("secret")
    table, moments = ProcessTable(16, lambda _: None), [clock()]
    feed = opened("shadow", table=table, at=lambda: moments[-1])
    with subprocess.Popen(["cat", tmp_path / "shadow"], stdout=subprocess.DEVNULL) as process:
        process.wait()
    start = moments[0].mono - 60_000_000_000
    table.observe(Exec(pid=process.pid, start=start, exe=SUDO), start)
    table.observe(Exec(pid=process.pid, start=start, exe=ID), moments[0].mono - 1)
    now = after(moments[0], 0.01)
    moments.append(now)
    assert list(feed.read(now)) == []
    (event,) = [one.body for one in feed.read(after(now, 0.2))]
    assert isinstance(event, Read)
    assert event.actor is not None
    assert event.actor.exe == ID, "nothing was queued when sudo became it"


@told_who
def test_what_is_gathered_is_told_at_the_end(tmp_path: Path, opened: Callable[..., SensitiveReads]) -> None:
    (tmp_path / "shadow").write_text("secret")
    feed, now = opened("shadow"), clock()
    twice = f"exec 3< {tmp_path}/shadow; echo; read _; exec 3< {tmp_path}/shadow; echo; read _"
    with subprocess.Popen(["sh", "-c", twice], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdout.readline()
        assert list(feed.read(now)) == []
        assert len(list(feed.read(after(now, 0.2)))) == 1
        os.write(reader.stdin.fileno(), b"\n")
        reader.stdout.readline()
        assert list(feed.read(after(now, 0.3))) == []
        (last,) = [one.body for one in feed.rest(after(now, 0.3))]
        os.write(reader.stdin.fileno(), b"\n")
    assert isinstance(last, Read)
    assert (last.opens, last.files, last.late) == (1, 0, False)


def test_our_own_reads_are_left_out(tmp_path: Path, opened: Callable[..., SensitiveReads]) -> None:
    (tmp_path / "shadow").write_text("secret")
    feed = opened("shadow")
    (tmp_path / "shadow").read_text()
    assert reads(feed) == []


def test_a_replaced_file_is_watched_again(tmp_path: Path, opened: Callable[..., SensitiveReads]) -> None:
    (tmp_path / "shadow").write_text("secret")
    feed = opened("shadow")
    (tmp_path / "shadow.new").write_text("secret2")
    (tmp_path / "shadow.new").rename(tmp_path / "shadow")
    assert reads(feed) == []
    cat(tmp_path / "shadow")
    (event,) = reads(feed)
    assert event.path == str(tmp_path / "shadow")


def test_a_home_that_appears_later_is_watched(tmp_path: Path, opened: Callable[..., SensitiveReads]) -> None:
    (tmp_path / "home").mkdir()
    feed = opened("home/*/.ssh/id_*")
    (tmp_path / "home/al").mkdir()
    assert reads(feed) == []
    (tmp_path / "home/al/.ssh").mkdir()
    assert reads(feed) == []
    (tmp_path / "home/al/.ssh/id_rsa").write_text("k")
    assert reads(feed) == []
    cat(tmp_path / "home/al/.ssh/id_rsa")
    (event,) = reads(feed)
    assert event.tree == str(tmp_path / "home/*/.ssh/id_*")


def test_another_name_for_the_file_is_no_way_around(
    tmp_path: Path, opened: Callable[..., SensitiveReads]
) -> None:
    (tmp_path / "shadow").write_text("secret")
    feed = opened("shadow")
    os.link(tmp_path / "shadow", tmp_path / "harmless")
    cat(tmp_path / "harmless")
    (event,) = reads(feed)
    assert event.path == str(tmp_path / "shadow")


@told_who
def test_a_decoy_is_told_at_once_and_one_that_is_missing_is_said(
    tmp_path: Path, opened: Callable[..., SensitiveReads]
) -> None:
    (tmp_path / "passwords.xlsx").write_text("bait")
    feed = opened(decoys=("passwords.xlsx", "missing"))
    assert feed.losses() == {f"there is no decoy {tmp_path}/missing": 1}
    with subprocess.Popen(["tail", "-f", tmp_path / "passwords.xlsx"], stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stdout.read(4) == b"bait"
        (event,) = reads(feed, while_open=True)
        reader.kill()
    assert isinstance(event, Read)
    assert (event.decoy, event.bytes, event.files, event.late) == (True, 4, 1, False)
    assert reads(feed) == []


@told_who
def test_further_reads_are_gathered_and_the_sums_are_exact(
    tmp_path: Path, opened: Callable[..., SensitiveReads]
) -> None:
    (tmp_path / "tree/deep").mkdir(parents=True)
    names = [tmp_path / f"tree/deep/id_{number}" for number in range(20)]
    for number, name in enumerate(names):
        name.write_bytes(bytes(number + 1))
    feed = opened("tree")
    script = f"exec 3<{names[0]}; read go; for file in {tmp_path}/tree/deep/*; do exec 3<$file; done"
    with subprocess.Popen(["bash", "-c", script], stdin=subprocess.PIPE) as reader:
        deadline = time.monotonic() + 20
        first: list[Read] = []
        while not first and time.monotonic() < deadline:
            first = [seen.body for seen in feed.read(clock()) if isinstance(seen.body, Read)]
        assert [(one.files, one.opens, one.bytes) for one in first] == [(1, 1, 1)]
        assert reader.stdin is not None
        reader.stdin.write(b"\n")
    rest = reads(feed)
    assert sum(one.files for one in rest) == 19
    assert sum(one.bytes or 0 for one in rest) == sum(range(2, 21))
    assert sum(one.opens for one in rest) == 20
    assert rest[-1].late
    assert all((one.first or 0) <= (one.last or 0) for one in rest)
    assert len(rest) < 5


def test_a_file_that_appears_in_a_sensitive_tree_is_seen(
    tmp_path: Path, opened: Callable[..., SensitiveReads]
) -> None:
    (tmp_path / "tree").mkdir()
    feed = opened("tree")
    (tmp_path / "tree/new").mkdir()
    assert reads(feed) == []
    (tmp_path / "tree/new/key").write_text("secret")
    assert reads(feed) == []
    cat(tmp_path / "tree/new/key")
    (event,) = reads(feed)
    assert (event.path, event.bytes) == (str(tmp_path / "tree/new/key"), 6)
