"""UDP and ICMP from the kernel, by datagram.bpf.c: who exchanges how many bytes with whom."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable

from evidence.kind import Body
from evidence.kinds.agent import Loss
from evidence.kinds.connection import Close, Open, Report

from ..decode.bpf_connection import Flow
from ..errors import RungUnavailable
from ..gathered import Gathered
from ..kernel.bpf_reader import RingReader
from ..sensor import Context, Filtered, Moment, Observed
from ..settings import Settings
from .datagram_flows import DatagramFlows, Live
from .filters import CAUSE, SUGGESTION, Filters
from .flow_bodies import to_body
from .flow_reader import FlowReader
from .flow_reports import FlowReports
from .socket_owner import holder_of
from .tally import Tally, kept_counts

_RING_BYTES = 64 << 10
"""It only takes hints."""


class BpfFeed:
    """The one rung of the datagram sensor."""

    def __init__(self, context: Context) -> None:
        """Load datagram.bpf.c, and take on the sockets that are open already.

        Raises:
            RungUnavailable: it does not load here, or cgroup2 is not mounted.
        """
        settings = context.settings.connection
        self._processes, self._names = context.processes, context.names
        full = "more peers in a second than the kernel's table holds: look who sends"
        suggestions = {"no_memory": full, CAUSE: SUGGESTION}
        self._tally = Tally("datagram", suggestions, kept_counts(context.rings))
        reports = FlowReports(settings.report_bytes, settings.report_seconds)
        kept = context.rings.gathered("flows", Live) if context.rings is not None else Gathered(Live)
        self._tally.add("other version", kept.lost())
        self._table = DatagramFlows(reports, context.clock().mono, kept=kept)
        reader = RingReader("datagram", _RING_BYTES, context.rings)
        self._ring = reader.fileno()
        try:
            self._filters = Filters(reader.object, context.settings.datagram.ignore, context.own)
            self._flows = FlowReader(reader, context.rings, settings, self._undecodable)
        except (OSError, RungUnavailable) as error:
            reader.close()
            raise RungUnavailable(f"datagram: a table of its programs fails: {error}") from error
        try:
            reader.object.read_iterator(reader.object.open_iterator("adopt"))
        except RungUnavailable:
            self.close()
            raise

    @property
    def period(self) -> float:
        """Seconds until the next timed read."""
        return self._flows.period

    def filenos(self) -> tuple[int, ...]:
        """Return the ring's descriptor."""
        return (self._ring,)

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return what a turn brings, when it is due."""
        self._flows.read(now.mono)
        if not self._flows.is_due():
            return []
        sums = self._flows.turn()
        found = self._table.take(sums, now.mono)
        self._flows.plan(busy=bool(sums))
        return [self._observed(flow) for flow in found]

    def rest(self, now: Moment) -> Iterable[Observed]:
        """Return the last sums, and what open flows have moved so far."""
        found = self._table.take(self._flows.rest(), now.mono) + self._table.rest(now.mono)
        return [self._observed(flow) for flow in found]

    def losses(self, now: Moment) -> Iterable[Loss]:
        """Return what had no room, and what could not be decoded."""
        for cause, count in self._flows.lost().items():
            self._tally.add(cause, count)
        self._filters.tell(self._tally)
        return self._tally.take(now)

    def filtered(self) -> Filtered:
        """Return what the settings had the programs leave out."""
        return self._filters.state()

    def retune(self, settings: Settings) -> None:
        """Leave out in the kernel what other settings name; nothing else of them concerns an open feed.

        Raises:
            RungUnavailable: the kernel does not take it.
        """
        self._filters.retune(settings.datagram.ignore, self._tally)

    def trigger(self) -> Callable[[Body], bool]:
        """Send one datagram on the loopback."""
        self._flows.hurry()
        port = _send_one()
        return lambda body: isinstance(body, Open | Report | Close) and body.remote.port == port

    def close(self) -> None:
        """Unload."""
        self._filters.close()
        self._flows.close()

    def _observed(self, flow: Flow) -> Observed:
        direction = flow.direction or "out"
        actor = holder_of(flow, direction, self._processes)
        return Observed(to_body(flow, direction, actor, self._names), mono=flow.mono)

    def _undecodable(self) -> None:
        self._tally.add("undecodable")


def _send_one() -> int:
    """Send a datagram to a socket of this process, close both and return the port it went to."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with (
                socket.socket(family, socket.SOCK_DGRAM) as server,
                socket.socket(family, socket.SOCK_DGRAM) as client,
            ):
                server.bind((address, 0))
                client.sendto(b"vedette", server.getsockname()[:2])
                return int(server.getsockname()[1])
        except OSError:
            continue  # a host may have only one of the two families
    raise OSError("there is no loopback")
