"""How long a changed path waits to be looked at: a moment, or the end of a package transaction."""

from __future__ import annotations

from agent.trees.pending_paths import PENDING, WAITING, Noted, PendingPaths
from evidence.kind import Actor

DPKG, SHELL = Actor(pid=1, exe="/usr/bin/dpkg"), Actor(pid=2, exe="/bin/sh")
SECOND = 1_000_000_000


class Lock:
    """A package manager's lock."""

    held = True

    def runs(self) -> bool:
        return self.held


def pending(lock: Lock, *, waiting: int = WAITING, room: int = PENDING) -> PendingPaths:
    return PendingPaths(lock.runs, lambda noted: noted.actor, waiting, room)


def due(paths: PendingPaths, seconds: float) -> list[bytes]:
    return [one.path for one in paths.due(int(seconds * SECOND))]


def test_an_ordinary_change_is_looked_at_soon_whatever_runs() -> None:
    paths = pending(Lock())
    paths.add(Noted(b"/etc/x", 0, SHELL))
    assert (due(paths, 0.05), due(paths, 0.1)) == ([], [b"/etc/x"])


def test_what_a_package_manager_wrote_waits_for_the_end_of_its_transaction() -> None:
    lock = Lock()
    paths = pending(lock)
    paths.add(Noted(b"/usr/bin/x", 0, DPKG))
    assert (due(paths, 5), due(paths, 20)) == ([], [])
    assert paths.installing
    lock.held = False
    assert due(paths, 21) == [], "what it did last may still come in"
    assert due(paths, 22) == [b"/usr/bin/x"]
    assert not paths.installing


def test_it_waits_no_longer_than_a_minute() -> None:
    paths = pending(Lock())
    paths.add(Noted(b"/usr/bin/x", 0, DPKG))
    assert (due(paths, 59), due(paths, 60)) == ([], [b"/usr/bin/x"])


def test_beyond_a_number_nothing_waits() -> None:
    paths = pending(Lock(), waiting=2)
    for number in range(5):
        paths.add(Noted(b"/usr/bin/%d" % number, 0, DPKG))
    assert len(due(paths, 5)) == 3


def test_there_is_no_room_beyond_a_number() -> None:
    paths = pending(Lock(), room=2)
    assert [paths.add(Noted(b"/etc/%d" % number, 0)) for number in range(3)] == [True, True, False]
    assert paths.add(Noted(b"/etc/0", 0)), "what is pending already needs no room"


def test_another_writer_ends_the_wait_and_is_the_one_named() -> None:
    paths = pending(Lock())
    paths.add(Noted(b"/usr/bin/x", 0, DPKG))
    assert due(paths, 5) == []
    paths.add(Noted(b"/usr/bin/x", 6 * SECOND, SHELL))
    (one,) = paths.due(int(6.1 * SECOND))
    assert (one.actor, one.installed) == (SHELL, True)


def test_a_writer_that_is_named_late_waits_too() -> None:
    paths = PendingPaths(Lock().runs, lambda _: DPKG)
    paths.add(Noted(b"/usr/bin/x", 0, Actor(pid=1)))
    assert due(paths, 1) == []
    assert paths.installing
