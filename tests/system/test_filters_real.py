"""What the settings have the kernel leave out: it is counted, and nobody else's doings go with it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest

from agent.errors import RungUnavailable
from agent.feeds.filters import OWN
from agent.sensor import Filtering, Sensor
from agent.sensors import connection, datagram, dns, process
from agent.settings import Connection, Datagram, Dns, Ignore, Process, Settings
from evidence.kinds.connection import Close
from evidence.kinds.dns import Query
from evidence.kinds.process import Exec, Exit
from tests.agent.feeds_at_work import Watched, context, moment, run, rung_of
from tests.property import dns_wire

pytestmark = pytest.mark.root

TRUE = "/bin/true"
IGNORED, OTHER = 4_000_050, 4_000_500
UIDS = Ignore(uids=((4_000_000, 4_000_100),))
NAME = "uid 4000000-4000100"


@contextlib.contextmanager
def watching(sensor: Sensor, settings: Settings, state: Path, own: Iterable[int] = ()) -> Iterator[Watched]:
    """Open the bpf rung of a sensor under these settings."""
    pids = tuple(own)
    around = msgspec.structs.replace(context(state), settings=settings, own=lambda: pids)
    try:
        feed = rung_of(sensor, "bpf").open(around)
    except RungUnavailable as refused:
        pytest.skip(f"{refused.reason} ({refused.fix})")
    try:
        yield Watched(feed, around)
    finally:
        feed.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder that root alone can change, up to the root of the file system."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a folder that root alone can change")
    Path("/var/lib").mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="vedette-filters-", dir="/var/lib"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def counts(watched: Watched) -> dict[str, int]:
    assert isinstance(watched.feed, Filtering)
    return watched.feed.filtered().counts


def counted(watched: Watched, name: str, count: int) -> None:
    """Wait until a filter has left out so many; the test's own time limit ends what never comes."""
    while counts(watched)[name] < count:
        watched.read()
        time.sleep(0.02)
    assert counts(watched)[name] == count


def as_user(uid: int, act: Callable[[], object]) -> int:
    """Let a child of another user act, and return its pid once it has ended."""
    child = os.fork()
    if child == 0:
        act_and_end(act, uid)
    assert os.waitpid(child, 0)[1] == 0
    return child


def act_and_end(act: Callable[[], object], uid: int) -> NoReturn:
    """Act as another user, who may have no access to what Python has not loaded yet, and end this process."""
    try:
        os.setuid(uid)
        act()
    except BaseException:  # noqa: BLE001 - this process must end here
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def child_that_runs(program: str, *words: str, variables: dict[str, str] | None = None, uid: int = 0) -> None:
    """Run a program as a grandchild, for what watch itself starts is always told."""
    as_user(uid, lambda: os.waitpid(os.posix_spawn(program, [program, *words], variables or {}), 0))


def told(watched: Watched, *last: str) -> list[tuple[str, ...]]:
    """Run a program that no filter is for, and return the arguments of what was told up to it."""
    child_that_runs(TRUE, *last)
    watched.until(lambda body: isinstance(body, Exec) and body.argv[1:] == last)
    return [one.body.argv for one in watched.seen if isinstance(one.body, Exec)]


def test_a_program_is_left_out_with_its_end_and_counted(folder: Path, tmp_path: Path) -> None:
    program = Path(shutil.copy(TRUE, folder / "probe"))
    settings = Settings(process=Process(ignore=Ignore(programs=(f"{folder}/pro*",))))
    with watching(process.SENSOR, settings, tmp_path) as watched:
        for number in range(20):
            child_that_runs(str(program), str(number))
        assert not [argv for argv in told(watched, "last") if argv[0] == str(program)]
        assert counts(watched) == {f"{folder}/pro*": 40}
        (loss,) = watched.feed.losses(moment())
        assert (loss.sensor, loss.cause, loss.count) == ("process", f"filtered: {folder}/pro*", 40)
        assert list(watched.feed.losses(moment())) == []


def test_a_copy_and_a_changed_file_are_told(folder: Path, tmp_path: Path) -> None:
    program = Path(shutil.copy(TRUE, folder / "probe"))
    settings = Settings(process=Process(ignore=Ignore(programs=(str(program),))))
    with watching(process.SENSOR, settings, tmp_path) as watched:
        copied = str(shutil.copy2(program, folder / "copy"))
        child_that_runs(copied, "copied")
        with program.open("r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(b"\0")
        child_that_runs(str(program), "changed")
        program.unlink()
        shutil.copy2(TRUE, program)
        child_that_runs(str(program), "replaced")
        words = [argv[1] for argv in told(watched, "last") if argv[0] in (copied, str(program))]
        assert words == ["copied", "changed", "replaced"]
        assert counts(watched) == {str(program): 0}


def test_what_may_be_an_attack_is_told_under_any_filter(folder: Path, tmp_path: Path) -> None:
    program = Path(shutil.copy(TRUE, folder / "probe"))
    settings = Settings(process=Process(ignore=Ignore(programs=(str(program),))))
    with watching(process.SENSOR, settings, tmp_path) as watched:
        child_that_runs(str(program), "preloaded", variables={"LD_AUDIT": ""})
        script = f"echo 4242 > /proc/self/loginuid && exec {program} in-session"
        child_that_runs("/bin/sh", "-c", script)
        run(str(program), "of-watch")
        words = [argv[1] for argv in told(watched, "last") if argv[0] == str(program)]
    assert words == ["preloaded", "in-session", "of-watch"]


def test_a_program_that_others_can_change_is_told_and_the_reason_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    program = Path(shutil.copy(TRUE, tmp_path / "probe"))
    ignore = Ignore(programs=(str(program), "/nowhere/at-all"))
    with watching(process.SENSOR, Settings(process=Process(ignore=ignore)), tmp_path) as watched:
        child_that_runs(str(program), "told")
        assert (str(program), "told") in told(watched, "last")
        assert isinstance(watched.feed, Filtering)
        refused = watched.feed.filtered().refused
    assert refused == (
        f"{tmp_path}: not root alone can change it",
        "/nowhere/at-all: no such program",
    )


def test_processes_of_a_range_of_users_are_left_out(tmp_path: Path) -> None:
    with watching(process.SENSOR, Settings(process=Process(ignore=UIDS)), tmp_path) as watched:
        child_that_runs(TRUE, "ignored", uid=IGNORED)
        child_that_runs(TRUE, "other", uid=OTHER)
        ours = [(TRUE, "ignored"), (TRUE, "other")]
        assert [argv for argv in told(watched, "last") if argv in ours] == [(TRUE, "other")]
        bodies = [one.body for one in watched.seen]
        assert {body.uid for body in bodies if isinstance(body, Exit)} >= {OTHER}
        assert IGNORED not in {body.uid for body in bodies if isinstance(body, Exec | Exit)}
        assert counts(watched) == {NAME: 3}, "an exec, its end, and the end of who only forked"


def connect(port: int) -> None:
    with socket.socket() as client:
        client.connect(("127.0.0.1", port))


def test_connections_of_a_range_of_users_are_left_out_at_their_end_only(tmp_path: Path) -> None:
    settings = Settings(connection=Connection(ignore=UIDS))
    with (
        watching(connection.SENSOR, settings, tmp_path) as watched,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        port = server.getsockname()[1]
        as_user(IGNORED, lambda: connect(port))
        server.accept()[0].close()
        counted(watched, NAME, 1)
        other = as_user(OTHER, lambda: connect(port))
        server.accept()[0].close()
        watched.until(lambda body: is_close(body, port, "out"))
        closes = [one.body for one in watched.seen if is_close(one.body, port, "out")]
        assert [close.actor.pid for close in closes if isinstance(close, Close) and close.actor] == [other]
        watched.until(lambda body: is_close(body, port, "in"))
        assert counts(watched) == {NAME: 1}


def is_close(body: object, port: int, direction: str) -> bool:
    if not isinstance(body, Close) or body.direction != direction:
        return False
    return port == (body.remote if direction == "out" else body.local).port


def test_the_agents_own_processes_are_left_out_and_are_no_loss(tmp_path: Path) -> None:
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        act_and_end(lambda: connect(int(os.read(ready, 16))), 0)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        watching(connection.SENSOR, Settings(), tmp_path, own=(child,)) as watched,
    ):
        os.write(go, str(server.getsockname()[1]).encode())
        assert os.waitpid(child, 0)[1] == 0
        server.accept()[0].close()
        counted(watched, OWN, 1)
        assert list(watched.feed.losses(moment())) == [], "own doings are no loss"
        watched.until(lambda body: is_close(body, server.getsockname()[1], "in"))
    os.close(ready)
    os.close(go)


def send(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(dns_wire.message(7, dns_wire.question("filtered.test")), ("127.0.0.1", port))


def test_datagrams_and_questions_of_a_range_of_users_are_left_out(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        settings = Settings(datagram=Datagram(ignore=UIDS), dns=Dns(ignore=UIDS, ports=(port,)))
        with (
            watching(datagram.SENSOR, settings, tmp_path) as datagrams,
            watching(dns.SENSOR, settings, tmp_path) as questions,
        ):
            as_user(IGNORED, lambda: send(port))
            counted(datagrams, NAME, 1)
            counted(questions, NAME, 1)
            other = as_user(OTHER, lambda: send(port))
            asked = questions.until(lambda body: isinstance(body, Query) and body.name == "filtered.test")
            sent = datagrams.until(lambda body: is_close(body, port, "out"), seconds=60)
    assert isinstance(asked, Query)
    assert isinstance(sent, Close)
    assert [one.actor and one.actor.pid for one in (asked, sent)] == [other, other]
