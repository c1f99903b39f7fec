"""TCP connections from the kernel, by connection.bpf.c: owner, direction and exact bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from evidence.kind import Actor, Body
from evidence.kinds.agent import Loss
from evidence.kinds.connection import Direction

from ..decode.bpf_connection import Flow, FlowEvent, parse_all
from ..errors import RungUnavailable
from ..gathered import Gathered
from ..kernel.bpf_reader import RingReader
from ..kernel.procfs import read_process
from ..processes import same_start
from ..sensor import Context, Filtered, Moment, Observed
from ..settings import Settings
from .connection_trigger import connect_once
from .filters import CAUSE, SUGGESTION, Filters
from .flow_bodies import to_body
from .flow_reader import FlowReader
from .socket_owner import holder_of
from .tally import Tally, kept_counts

_RING_BYTES = 2 << 20
_PORTS = 65_536
_SEEK_PAUSE = 10_000_000_000
"""Nanoseconds between two searches for the holders of connections: each looks at every open file."""

_RELEASE = "on_release"
_HOLDER_HOOKS = frozenset({"on_getpeername4", "on_getpeername6", _RELEASE})
"""Programs without which accepted connections get their owner late, and after a reset not at all."""


class BpfFeed:
    """The first rung of the connection sensor.

    A record of the ring is given out one read after it came, so that the exec of its process has been seen by
    then.
    """

    def __init__(self, context: Context) -> None:
        """Load connection.bpf.c, and adopt the connections that are open already.

        Raises:
            RungUnavailable: it does not load here.
        """
        self._processes = context.processes
        self._names = context.names
        self._listening: dict[tuple[int, int | None], None] = {}
        self._held: list[Flow] = []
        self._sought = 0
        reader = RingReader("connection", _RING_BYTES, context.rings, behind=1, optional=_HOLDER_HOOKS)
        self.kernel_object = reader.object
        self._tally = _tally(self.kernel_object.missing, kept_counts(context.rings))
        try:
            self._filters = Filters(reader.object, context.settings.connection.ignore, context.own)
            self._flows = FlowReader(reader, context.rings, context.settings.connection, self._undecodable)
        except (OSError, RungUnavailable) as error:
            reader.close()
            raise RungUnavailable(f"connection: a table of its programs fails: {error}") from error
        try:
            self._adopt()
        except RungUnavailable:
            self.close()
            raise

    @property
    def period(self) -> float:
        """Seconds until the next timed read."""
        return self._flows.period

    def filenos(self) -> tuple[int, ...]:
        """Return the ring's descriptor."""
        return (self.kernel_object.map_fd("ring"),)

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return the connections of the read before, and what a turn brings when it is due."""
        due, self._held = self._held, self._flows.read(now.mono)
        if self._flows.is_due():
            taken = self._flows.turn()
            self._look(now.mono)
            self._flows.plan(busy=bool(taken))
            due += taken
        return [self._observed(flow) for flow in due]

    def rest(self, now: Moment) -> Iterable[Observed]:
        """Return what was held back, and the short connections of the last second."""
        due, self._held = self._held, []
        return [self._observed(flow) for flow in due + self._flows.read(now.mono) + self._flows.rest()]

    def losses(self, now: Moment) -> Iterable[Loss]:
        """Return what the ring could not take, and what could not be decoded."""
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
        self._filters.retune(settings.connection.ignore, self._tally)

    def trigger(self) -> Callable[[Body], bool]:
        """Open and close a connection on the loopback."""
        self._flows.hurry()
        return connect_once()

    def close(self) -> None:
        """Unload."""
        self._filters.close()
        self._flows.close()

    def _undecodable(self) -> None:
        self._tally.add("undecodable")

    def _adopt(self) -> None:
        """Learn who listens, and take on what is open in this network namespace, with its holders."""
        self._report = self.kernel_object.open_iterator("report", over="flows")
        self._claim = self.kernel_object.open_iterator("claim")
        adopt = self.kernel_object.open_iterator("adopt")
        if not self.kernel_object.continued:
            self._flows.see_release(seen=_RELEASE not in self.kernel_object.missing)
        for flow in parse_all(self.kernel_object.read_iterator(adopt)):
            self._learn_listener(flow)
        self.kernel_object.read_iterator(self._claim)

    def _look(self, now: int) -> None:
        """Have opens and reports told that are due; look for the holders of flows that have no owner."""
        self._flows.seek(wanted=now - self._sought >= _SEEK_PAUSE)
        if self.kernel_object.read_iterator(self._report):
            self._sought = now
            self._flows.seek(wanted=False)
            self.kernel_object.read_iterator(self._claim)
            self.kernel_object.read_iterator(self._report)

    def _learn_listener(self, flow: Flow) -> None:
        if len(self._listening) >= _PORTS:
            self._listening.pop(next(iter(self._listening)))
        self._listening[flow.netns, flow.local.port] = None

    def _direction(self, flow: Flow) -> Direction:
        """Return the direction; what was open before the agent came in where somebody listens at its port."""
        if flow.direction is not None:
            return flow.direction
        return "in" if (flow.netns, flow.local.port) in self._listening else "out"

    def _observed(self, flow: Flow) -> Observed:
        if flow.event is FlowEvent.LISTEN:
            self._learn_listener(flow)
        direction = self._direction(flow)
        actor = holder_of(flow, direction, self._processes)
        if actor is not None and direction == "in" and flow.event in (FlowEvent.OPEN, FlowEvent.REPORT):
            actor = _in_session(actor)
        return Observed(to_body(flow, direction, actor, self._names), mono=flow.mono)


def _tally(missing: dict[str, RungUnavailable], kept: Gathered[int] | None) -> Tally:
    """Return the count of what is lost, which begins with the hooks that are not there."""
    suggestions = {
        "ring_full": "give the agent more CPU: raise CPUQuota of its unit",
        "no_memory": "leave the kernel more memory for sockets",
        CAUSE: SUGGESTION,
    }
    hooks = {f"no {name}": refusal.fix or "use a kernel with this hook" for name, refusal in missing.items()}
    tally = Tally("connection", suggestions | hooks, kept)
    for name, refusal in missing.items():
        tally.add_unknown(f"no {name}: {refusal.reason}")
    return tally


def _in_session(actor: Actor) -> Actor:
    """Return the holder of an accepted connection with the login session it is in by now.

    sshd accepts first and logs in later: the process that holds the connection gets its session in between.
    """
    if actor.session is not None or actor.pid is None:
        return actor
    found = read_process(actor.pid)
    if found is None or found.session is None or not same_start(found.start, actor.start):
        return actor
    return replace(actor, auid=found.auid, session=found.session)
