"""Connections from the kernel, by connection.bpf.c: owner, direction and exact bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from evidence.kind import Actor, Body
from evidence.kinds.agent import Loss
from evidence.kinds.connection import Close, Direction, Listen, Open, Report

from ..decode.bpf_connection import Flow, FlowEvent, parse, parse_all, payload_out
from ..errors import RungUnavailable
from ..kernel.bpf_reader import RingReader
from ..sensor import Context, Moment, Observed
from .connection_trigger import connect_once
from .flow_reports import FlowReports
from .socket_owner import actor_of
from .tally import Tally

_RING_BYTES = 2 << 20
_SCAN_SECONDS, _IDLE_SCAN_SECONDS = 2.0, 5.0
"""Between two looks at the bytes of open flows: while they grow, and after a look at which none had grown."""

_PORTS = 65_536


class BpfFeed:
    """The first rung of the connection sensor.

    A record is given out one read after it came, so that the exec of its process has been seen by then.
    """

    def __init__(self, context: Context) -> None:
        """Load connection.bpf.c, and adopt the connections that are open already.

        Raises:
            RungUnavailable: it does not load here.
        """
        settings = context.settings.connection
        self._processes = context.processes
        self._reader = RingReader("connection", _RING_BYTES, context.rings, behind=1)
        self._tally = Tally(
            "connection", {"ring_full": "give the agent more CPU: raise CPUQuota of its unit"}
        )
        self._reports = FlowReports(settings.report_bytes, settings.report_seconds)
        self._listening: dict[tuple[int, int | None], None] = {}
        self._held: list[Flow] = []
        self._scanned = 0
        self._scan_seconds = _SCAN_SECONDS
        self._moved = 0
        try:
            self._report = self._reader.object.open_iterator("report", over="flows")
            self._adopt(context.clock())
        except RungUnavailable:
            self._reader.close()
            raise

    @property
    def period(self) -> float:
        """Seconds until the next timed read."""
        return min(self._reader.period, self._scan_seconds) if self._reports else self._reader.period

    def filenos(self) -> tuple[int, ...]:
        """Return the ring's descriptor."""
        return (self._reader.fileno(),)

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return the connections of the read before, and reports that are due."""
        due, self._held = self._held, []
        for raw in self._reader.read():
            try:
                self._held.append(parse(raw))
            except ValueError:
                self._tally.add("undecodable")
        found = [self._observed(flow) for flow in due]
        if self._reports and now.mono - self._scanned >= self._scan_seconds * 1e9:
            self._scanned = now.mono
            found += self._due_reports()
        return found

    def losses(self, now: Moment) -> Iterable[Loss]:
        """Return what the ring could not take, and what could not be decoded."""
        for cause, count in self._reader.lost().items():
            self._tally.add(cause, count)
        return self._tally.take(now)

    def trigger(self) -> Callable[[Body], bool]:
        """Open and close a connection on the loopback."""
        return connect_once()

    def close(self) -> None:
        """Unload."""
        self._reader.close()

    def _adopt(self, now: Moment) -> None:
        """Learn who listens, and take on what is open in this network namespace."""
        link = self._reader.object.open_iterator("adopt")
        for flow in parse_all(self._reader.object.read_iterator(link)):
            self._learn_listener(flow)
        for flow in parse_all(self._reader.object.read_iterator(self._report)):
            self._reports.opened(flow.cookie, now.mono)

    def _learn_listener(self, flow: Flow) -> None:
        if len(self._listening) >= _PORTS:
            self._listening.pop(next(iter(self._listening)))
        self._listening[flow.netns, flow.local.port] = None

    def _direction(self, flow: Flow) -> Direction:
        """Return the direction; what was open before the agent came in where somebody listens at its port."""
        if flow.direction is not None:
            return flow.direction
        return "in" if (flow.netns, flow.local.port) in self._listening else "out"

    def _due_reports(self) -> Iterator[Observed]:
        before, self._moved = self._moved, 0
        for flow in parse_all(self._reader.object.read_iterator(self._report)):
            self._moved += flow.sent + flow.received
            if self._reports.due(flow.cookie, flow.sent + flow.received, flow.mono):
                yield self._observed(flow)
        self._scan_seconds = _IDLE_SCAN_SECONDS if self._moved == before else _SCAN_SECONDS

    def _observed(self, flow: Flow) -> Observed:
        if flow.event is FlowEvent.LISTEN:
            self._learn_listener(flow)
        elif flow.event is FlowEvent.OPEN:
            self._reports.opened(flow.cookie, flow.mono)
        elif flow.event is FlowEvent.CLOSE:
            self._reports.closed(flow.cookie)
        return Observed(
            to_body(flow, self._direction(flow), actor_of(flow.owner, self._processes, flow.mono)),
            mono=flow.mono,
        )


def to_body(flow: Flow, direction: Direction, actor: Actor | None) -> Body:
    """Return the event a record reports."""
    if flow.event is FlowEvent.LISTEN:
        return Listen(protocol="tcp", local=flow.local, actor=actor)
    if flow.event is FlowEvent.OPEN:
        return Open(
            flow=flow.cookie,
            protocol="tcp",
            direction=direction,
            local=flow.local,
            remote=flow.remote,
            actor=actor,
        )
    duration = None if flow.opened is None else max(0, flow.mono - flow.opened)
    sent = payload_out(flow.sent, direction)
    if flow.event is FlowEvent.REPORT:
        return Report(
            flow=flow.cookie,
            protocol="tcp",
            direction=direction,
            local=flow.local,
            remote=flow.remote,
            bytes_out=sent,
            bytes_in=flow.received,
            duration=duration,
            actor=actor,
        )
    return Close(
        flow=flow.cookie,
        protocol="tcp",
        direction=direction,
        local=flow.local,
        remote=flow.remote,
        bytes_out=sent,
        bytes_in=flow.received,
        packets_out=flow.packets_out,
        packets_in=flow.packets_in,
        duration=duration,
        actor=actor,
    )
