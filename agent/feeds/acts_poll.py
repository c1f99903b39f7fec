"""Mounts and modules by looking now and then: what came and went between two looks is missed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from evidence.kind import Body
from evidence.kinds.act import Module, Mount
from evidence.kinds.agent import Loss
from evidence.text import to_text

from ..decode.mountinfo import parse_mountinfo
from ..errors import RungUnavailable
from ..sensor import Moment, Observed

_SECONDS = 5.0
_MOUNTS, _MODULES = Path("/proc/self/mountinfo"), Path("/proc/modules")

Look = Callable[[], frozenset[bytes]]
Tell = Callable[[bytes, bool], Body]
"""Return the event for a name that appeared (True) or is gone."""


class PollFeed:
    """The last rung: names that appear or go between two looks."""

    def __init__(self, look: Look, tell: Tell) -> None:
        """Look for the first time.

        Raises:
            RungUnavailable: there is nothing to look at.
        """
        self._look, self._tell = look, tell
        self._known = self._names()
        if not self._known:
            raise RungUnavailable("nothing of the kind is there, so that looking cannot be tried")

    @property
    def period(self) -> float:
        """Seconds until the next look."""
        return _SECONDS

    def filenos(self) -> tuple[int, ...]:
        """Return nothing to wait on."""
        return ()

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return what differs from the last look."""
        before, self._known = self._known, self._names()
        changes = [
            *((name, True) for name in self._known - before),
            *((name, False) for name in before - self._known),
        ]
        return [Observed(self._tell(name, appeared), mono=now.mono) for name, appeared in sorted(changes)]

    def losses(self, now: Moment) -> Iterable[Loss]:  # noqa: ARG002 - what came and went is not known
        """Return nothing: what is missed leaves no trace."""
        return ()

    def trigger(self) -> Callable[[Body], bool]:
        """Forget one of the names, so that the next look finds it."""
        forgotten, appeared = min(self._known), True
        self._known -= {forgotten}
        expected = self._tell(forgotten, appeared)
        return lambda body: body == expected

    def close(self) -> None:
        """Nothing is open."""

    def _names(self) -> frozenset[bytes]:
        try:
            return self._look()
        except OSError as error:
            raise RungUnavailable(f"{error.filename}: {error.strerror}: this kernel has none") from error


def mounts() -> PollFeed:
    """Return the feed of this mount namespace's mounts.

    Raises:
        RungUnavailable: /proc is not there.
    """
    return PollFeed(lambda: frozenset(one.point for one in parse_mountinfo(_MOUNTS.read_bytes())), _mount)


def modules() -> PollFeed:
    """Return the feed of loaded modules.

    Raises:
        RungUnavailable: this kernel has no modules, or none is loaded.
    """
    return PollFeed(
        lambda: frozenset(line.partition(b" ")[0] for line in _MODULES.read_bytes().splitlines()), _module
    )


def _mount(path: bytes, appeared: bool) -> Body:
    text, escaped = to_text(path)
    return Mount(
        action="mount" if appeared else "umount",
        path=text,
        done=True,
        escaped=("path",) if escaped else (),
    )


def _module(name: bytes, appeared: bool) -> Body:
    text, escaped = to_text(name)
    return Module(
        action="load" if appeared else "unload",
        name=text,
        done=True,
        escaped=("name",) if escaped else (),
    )
