"""The file sensor started by a user who cannot read everything: it watches the rest and says what not."""

from __future__ import annotations

import importlib
import os
import pwd
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from agent import tree_access
from agent.processes import ProcessTable
from agent.sensor import Context, Feed, Moment
from agent.sensors.file import SENSOR
from agent.settings import File, Settings
from evidence.kinds.file import Create, Read

pytestmark = pytest.mark.root
RUNGS = ["fanotify-folders", "watchdog"]


class Seen(msgspec.Struct):
    """What the child process saw, and the causes of its losses."""

    created: list[str]
    read: list[str]
    causes: list[str]
    pids: list[int | None]


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder that nobody can use; in it a tree, one that is closed, and a state folder.

    It is none of pytest's: every run of pytest closes the folder that those are in.
    """
    if os.geteuid() != 0:
        pytest.skip("folders of another user, and a child that is one, need root")
    with tempfile.TemporaryDirectory(prefix="vedette-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for made in ("open", "closed/inner", "state"):
            (folder / made).mkdir(parents=True)
        for given in ("open", "state"):
            os.chown(folder / given, pwd.getpwnam("nobody").pw_uid, -1)
        (folder / "closed/inner/key").write_text("x")
        (folder / "open/hidden").write_text("x")
        (folder / "open/hidden").chmod(0o600)
        (folder / "open/plain").write_text("x")
        (folder / "closed").chmod(0o700)
        yield folder


def as_nobody(act: Callable[[], Seen]) -> Seen:
    """Return what act returns in a forked child that runs as nobody.

    What a rung loads late is loaded before: nobody may not be able to read the interpreter's own files.
    """
    importlib.import_module("agent.kernel.watch_trees")
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            os.write(writing, msgspec.json.encode(act()))
            code = 0
        except BaseException:  # noqa: BLE001 - shown before the process ends without cleaning up
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        raw = answer.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return msgspec.json.decode(raw, type=Seen)


def clock() -> Moment:
    return Moment(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))


def opened(place: Path, rung: str) -> Feed:
    file = File(
        trees=tuple(str(place / name) for name in ("open", "closed/inner", "missing")),
        scan_pressure=100.0,
        sensitive=(str(place / "closed/inner/k*"), str(place / "open/hidden"), str(place / "open/pl*")),
        dpkg=str(place / "no-dpkg"),
        read_window=0.01,
    )
    context = Context(Settings(file=file), place / "state", ProcessTable(64, lambda _: None), clock)
    return next(one for one in SENSOR.rungs if one.name == rung).open(context)


def learn(feed: Feed) -> None:
    """Read until the baseline is complete."""
    deadline = time.monotonic() + 30
    while (feed.period or 0) < 1 and time.monotonic() < deadline:
        assert list(feed.read(clock())) == []
        time.sleep(0.005)


def watch(place: Path, rung: str) -> Seen:
    """Create one file of our own and read one in another process; return what the rung saw of it."""
    feed = opened(place, rung)
    learn(feed)
    seen = Seen([], [], [], [])
    accept = feed.trigger()
    proven = False
    deadline = time.monotonic() + 30
    created = place / "open/new"
    while time.monotonic() < deadline and not (proven and seen.created and (seen.read or rung == "watchdog")):
        for one in feed.read(clock()):
            proven = proven or accept(one.body)
            if isinstance(one.body, Create) and not accept(one.body):
                seen.created.append(one.body.path)
            if isinstance(one.body, Read):
                seen.read.append(one.body.path)
                seen.pids.append(one.body.actor.pid if one.body.actor else None)
        seen.causes += [loss.cause for loss in feed.losses(clock())]
        if proven and not created.exists():
            created.touch()
            if os.fork() == 0:
                (place / "open/plain").read_text()
                os._exit(0)
        time.sleep(0.01)
    feed.close()
    return seen


@pytest.mark.parametrize("rung", RUNGS)
def test_what_cannot_be_read_is_named_and_the_rest_is_watched(place: Path, rung: str) -> None:
    seen = as_nobody(lambda: watch(place, rung))
    assert seen.created == [str(place / "open/new")]
    assert f"this user cannot read: {place}/closed/inner" in seen.causes
    assert f"no folder, so not watched before the next start: {place}/missing" in seen.causes
    if rung == "fanotify-folders":
        assert set(seen.read) == {str(place / "open/plain")}
        assert set(seen.pids) == {None}
        assert f"sensitive reads: this user cannot read {place}/closed" in seen.causes
        assert f"sensitive reads: this user cannot read {place}/open/hidden" in seen.causes


def test_a_tree_that_can_no_longer_be_read_is_not_told_as_deleted(place: Path) -> None:
    (place / "closed").chmod(0o755)
    feed = opened(place, "watchdog")
    learn(feed)
    feed.close()
    (place / "closed").chmod(0o700)
    for name in (place / "state").iterdir():
        os.chown(name, 65534, -1)
    assert as_nobody(lambda: watch(place, "watchdog")).created == [str(place / "open/new")]


def test_a_tree_that_appears_is_seen_where_filesystems_are_marked(place: Path) -> None:
    feed = opened(place, "fanotify")
    try:
        learn(feed)
        (place / "missing").mkdir()
        deadline = time.monotonic() + 30
        found: list[str] = []
        while not found and time.monotonic() < deadline:
            found = [one.body.path for one in feed.read(clock()) if isinstance(one.body, Create)]
        assert found == [str(place / "missing")]
    finally:
        feed.close()


def test_folders_on_the_way_are_named_once_each(place: Path) -> None:
    def look() -> Seen:
        return Seen([], [], [str(one) for one in tree_access.barred(f"{place}/*/inner/k*")], [])

    assert as_nobody(look).causes == [str(place / "closed")]
