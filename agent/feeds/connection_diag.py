"""Connections from inet_diag: looked at by `look_plan`, and the kernel's last word on each that ends.

A connection that began and ended between two looks has no owner: the last word names none. Its bytes are
exact, but those that came in may be one less where this end was closed first: see `received_payload`.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

import msgspec

from evidence.kind import Actor, Body
from evidence.kinds.agent import Loss
from evidence.kinds.connection import Close, Direction, Open, Report

from ..decode.inet_diag import LISTEN, OPEN_STATES, Socket, parse, received_payload
from ..errors import RungUnavailable
from ..kernel.procfs import socket_owners
from ..kernel.sock_diag import DestroyedSockets, dump
from ..sensor import Context, Moment, Observed
from .connection_trigger import LoopbackConnection
from .exec_bell import ExecBell
from .flow_reports import FlowReports
from .lasting_trigger import LastingTrigger
from .look_plan import LookPlan
from .tally import Tally

_LIMIT = 4096
_KEPT = 65_536
_DESCRIPTORS, _QUICK_DESCRIPTORS = 50_000, 1000
"""Descriptors looked at, at most, for the owners of what is new in a look; the newest processes first.

An owner that a quick look did not find is sought again by the next whole one, and told then.
"""

_STATES = sum(1 << state for state in (*OPEN_STATES, LISTEN))


class _Known(msgspec.Struct, frozen=True):
    direction: Direction
    opened: int | None
    actor: Actor | None
    sought: bool = False
    """Whether its owner is yet to be found, and it is not told until then."""


class DiagFeed:
    """The second rung of the connection sensor; it sees its own network namespace."""

    def __init__(self, context: Context) -> None:
        """Subscribe, and take what is open.

        Raises:
            RungUnavailable: the kernel has no inet_diag.
        """
        settings = context.settings.connection
        self._processes = context.processes
        self._tally = Tally("connection", {"netlink_overrun": "use the bpf rung: it keeps a larger buffer"})
        self._reports = FlowReports(settings.report_bytes, settings.report_seconds)
        self._known: OrderedDict[int, _Known] = OrderedDict()
        self._listening: frozenset[int | None] = frozenset()
        self._trigger = LastingTrigger(LoopbackConnection)
        self._destroyed = DestroyedSockets()
        self._bell = ExecBell()
        self._clock = context.clock
        now = context.clock()
        try:
            self._look(now, whole=True, adopt=True)
        except OSError as error:
            self._destroyed.close()
            self._bell.close()
            raise RungUnavailable(f"inet_diag: {error.strerror}", fix="load the module tcp_diag") from error
        self._plan = LookPlan(now.mono)

    @property
    def period(self) -> float:
        """Seconds until the next look is due."""
        return self._plan.wait(self._clock().mono) / 1e9

    def filenos(self) -> tuple[int, ...]:
        """Return the descriptors of the destroy notices, and of the bell that programs ring by starting."""
        return (self._destroyed.fileno(), *self._bell.filenos())

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return what ended, and at each look what is new and what is due for a report."""
        found: list[Observed] = []
        if self._bell.rang():
            self._plan.ring(now.mono)
        if self._plan.wait(now.mono) == 0:
            if self._plan.missed(now.mono):
                self._tally.add_unknown("poll_gap")
            began = time.thread_time_ns()
            found += [Observed(body, mono=now.mono) for body in self._look_again(now)]
            self._plan.looked(now.mono, time.thread_time_ns() - began)
        bodies, overruns = self._destroyed.read(_LIMIT)
        if overruns:
            self._tally.add_unknown("netlink_overrun")
        for raw in bodies:
            socket = self._parse(raw)
            if socket is not None and socket.remote.port is not None:
                found.append(Observed(self._closed(socket, now), mono=now.mono))
        self._trigger.look(found)
        return found

    def losses(self, now: Moment) -> Iterable[Loss]:
        """Return overruns of the notices, and times in which nobody looked."""
        return self._tally.take(now)

    def trigger(self) -> Callable[[Body], bool]:
        """Connect on the loopback, and stay connected until it was seen."""
        return self._trigger.begin()

    def close(self) -> None:
        """Unsubscribe."""
        self._trigger.end()
        self._destroyed.close()
        self._bell.close()

    def _parse(self, raw: bytes) -> Socket | None:
        try:
            return parse(raw)
        except ValueError:
            self._tally.add("undecodable")
            return None

    def _look_again(self, now: Moment) -> list[Body]:
        try:
            return self._look(now, whole=self._plan.is_whole(now.mono), adopt=False)
        except OSError:
            self._tally.add_unknown("poll_gap")
            return []

    def _look(self, now: Moment, *, whole: bool, adopt: bool) -> list[Body]:
        """Dump the sockets; return what is new (nothing when adopting) and the reports that are due."""
        sockets = [socket for raw in dump(_STATES) if (socket := self._parse(raw)) is not None]
        self._listening = frozenset(one.local.port for one in sockets if one.state == LISTEN)
        flows = [one for one in sockets if one.state != LISTEN]
        found: list[Body] = []
        for one in self._owned(flows, now, whole=whole, adopt=adopt):
            known = self._known[one.cookie]
            if not adopt and not known.sought:
                found.append(_open(one, known))
        found += [
            _report(one, self._known[one.cookie], now)
            for one in flows
            if one.payload is not None
            and one.cookie in self._known
            and self._reports.due(one.cookie, one.payload + (one.received or 0), now.mono)
        ]
        return found

    def _owned(self, flows: list[Socket], now: Moment, *, whole: bool, adopt: bool) -> list[Socket]:
        """Find the owners of what is new, and of what is yet to be told; return these sockets."""
        wanted: list[Socket] = []
        for one in flows:
            known = self._known.get(one.cookie)
            if known is None or (known.sought and whole):
                wanted.append(one)
        if not wanted:
            return []
        inodes = {one.inode for one in wanted if one.inode is not None}
        owners = socket_owners(inodes, _DESCRIPTORS if whole else _QUICK_DESCRIPTORS)
        for one in wanted:
            pid = owners.get(one.inode or -1)
            sought = pid is None and one.inode is not None and not whole
            self._keep(one, pid, now, sought=sought, adopt=adopt)
        return [one for one in wanted if one.cookie in self._known]

    def _keep(self, socket: Socket, pid: int | None, now: Moment, *, sought: bool, adopt: bool) -> None:
        actor = self._processes.actor(pid) if pid is not None else None
        if actor is None and socket.uid is not None:
            actor = Actor(pid=pid, uid=socket.uid)
        former = self._known.get(socket.cookie)
        if former is not None:
            known = _Known(former.direction, former.opened, actor or former.actor, sought)
        else:
            known = _Known(self._direction(socket), None if adopt else now.mono, actor, sought)
        self._known[socket.cookie] = known
        self._reports.opened(socket.cookie, now.mono)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)

    def _direction(self, socket: Socket) -> Direction:
        return "in" if socket.local.port in self._listening else "out"

    def _closed(self, socket: Socket, now: Moment) -> Close:
        known = self._known.pop(socket.cookie, None) or _Known(self._direction(socket), None, None)
        self._reports.closed(socket.cookie)
        return Close(
            flow=socket.cookie,
            protocol="tcp",
            direction=known.direction,
            local=socket.local,
            remote=socket.remote,
            bytes_out=socket.payload,
            bytes_in=received_payload(socket, outbound=known.direction == "out"),
            packets_out=socket.segments_out,
            packets_in=socket.segments_in,
            duration=None if known.opened is None else max(0, now.mono - known.opened),
            actor=known.actor,
        )


def _open(socket: Socket, known: _Known) -> Open:
    return Open(
        flow=socket.cookie,
        protocol="tcp",
        direction=known.direction,
        local=socket.local,
        remote=socket.remote,
        actor=known.actor,
    )


def _report(socket: Socket, known: _Known, now: Moment) -> Report:
    return Report(
        flow=socket.cookie,
        protocol="tcp",
        direction=known.direction,
        local=socket.local,
        remote=socket.remote,
        bytes_out=socket.payload or 0,
        bytes_in=socket.received or 0,
        duration=None if known.opened is None else max(0, now.mono - known.opened),
        actor=known.actor,
    )
