"""Connections by looking now and then: without bytes, and blind to what lives between two looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

import msgspec
import psutil

from evidence.kind import Actor, Body, Endpoint
from evidence.kinds.agent import Loss
from evidence.kinds.connection import Close, Direction, Open

from ..errors import RungUnavailable
from ..sensor import Context, Moment, Observed
from .connection_trigger import LoopbackConnection
from .lasting_trigger import LastingTrigger
from .tally import Tally

_PERIOD = 0.5
_OPEN = frozenset({psutil.CONN_ESTABLISHED, psutil.CONN_CLOSE_WAIT})

Pair = tuple[tuple[str, int], tuple[str, int]]


class _Known(msgspec.Struct, frozen=True):
    flow: int
    direction: Direction
    actor: Actor | None
    opened: int | None


class PollFeed:
    """The last rung of the connection sensor."""

    period: float | None = _PERIOD

    def __init__(self, context: Context) -> None:
        """Take what is open.

        Raises:
            RungUnavailable: the host's connections cannot be listed.
        """
        now = context.clock()
        self._processes = context.processes
        self._tally = Tally(
            "connection", {"poll_gap": "use the bpf rung: run as root with the built objects"}
        )
        self._flows = count(now.mono)
        self._known: dict[Pair, _Known] = {}
        self._trigger = LastingTrigger(LoopbackConnection)
        self._looked = now.mono
        try:
            self._look(now, adopt=True)
        except (OSError, psutil.Error) as error:
            raise RungUnavailable(f"connections cannot be listed: {error}", fix="mount /proc") from error

    def filenos(self) -> tuple[int, ...]:
        """Return none: there is nothing to wait on."""
        return ()

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return the connections that are new and those that are gone since the last look."""
        if now.mono - self._looked > 3 * _PERIOD * 1e9:
            self._tally.add_unknown("poll_gap")
        self._looked = now.mono
        try:
            found = [Observed(body, mono=now.mono) for body in self._look(now, adopt=False)]
        except (OSError, psutil.Error):
            self._tally.add_unknown("poll_gap")
            return []
        self._trigger.look(found)
        return found

    def losses(self, now: Moment) -> Iterable[Loss]:
        """Return the times in which nobody looked."""
        return self._tally.take(now)

    def trigger(self) -> Callable[[Body], bool]:
        """Connect on the loopback, and stay connected until it was seen."""
        return self._trigger.begin()

    def close(self) -> None:
        """End what the trigger began."""
        self._trigger.end()

    def _look(self, now: Moment, *, adopt: bool) -> list[Body]:
        listed = psutil.net_connections("tcp")
        listening = {one.laddr.port for one in listed if one.status == psutil.CONN_LISTEN and one.laddr}
        pids: dict[Pair, int | None] = {
            ((one.laddr.ip, one.laddr.port), (one.raddr.ip, one.raddr.port)): one.pid
            for one in listed
            if one.status in _OPEN and one.laddr and one.raddr
        }
        found: list[Body] = [
            _closed(pair, self._known.pop(pair), now) for pair in sorted(self._known.keys() - pids.keys())
        ]
        for pair in sorted(pids.keys() - self._known.keys()):
            pid = pids[pair]
            actor = self._processes.actor(pid) or Actor(pid=pid) if pid is not None else None
            known = self._known[pair] = _Known(
                flow=next(self._flows),
                direction="in" if pair[0][1] in listening else "out",
                actor=actor,
                opened=None if adopt else now.mono,
            )
            if not adopt:
                found.append(_opened(pair, known))
        return found


def _endpoint(address: tuple[str, int]) -> Endpoint:
    return Endpoint(ip=address[0].removeprefix("::ffff:"), port=address[1])


def _opened(pair: Pair, known: _Known) -> Open:
    return Open(
        flow=known.flow,
        protocol="tcp",
        direction=known.direction,
        local=_endpoint(pair[0]),
        remote=_endpoint(pair[1]),
        actor=known.actor,
    )


def _closed(pair: Pair, known: _Known, now: Moment) -> Close:
    return Close(
        flow=known.flow,
        protocol="tcp",
        direction=known.direction,
        local=_endpoint(pair[0]),
        remote=_endpoint(pair[1]),
        duration=None if known.opened is None else now.mono - known.opened,
        actor=known.actor,
    )
