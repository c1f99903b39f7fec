"""Flows of UDP and ICMP put together from the sums of each second. Pure and bounded.

A flow is what one process exchanges with one peer and port. It ends when the sockets it began with are
closed, or after a time of silence. Its direction is that of the first datagram of its socket.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec
from msgspec.structs import replace

from evidence.kind import Endpoint

from ..decode.bpf_connection import Flow, FlowEvent
from ..gathered import Gathered
from .flow_reports import FlowReports

SILENCE = 30_000_000_000
"""Nanoseconds without a datagram after which a flow has ended, as connection tracking has it."""

LIMIT = 65_536

Key = tuple[object, ...]


class Live(msgspec.Struct):
    """An open flow: its sum so far, in how many turns it moved, what of it was told.

    reported is when its bytes were told last, and how many they were.
    """

    flow: Flow
    turns: int = 1
    told: bool = False
    reported: tuple[int, int] | None = None

    @property
    def total(self) -> int:
        """The bytes of both directions."""
        return self.flow.sent + self.flow.received

    @property
    def is_over(self) -> bool:
        """Whether its sockets are closed."""
        return 0 < self.flow.flows <= self.flow.released


class DatagramFlows:
    """Open flows by process and peer, the longest silent one ended beyond a bound."""

    def __init__(
        self, reports: FlowReports, first: int, limit: int = LIMIT, kept: Gathered[Live] | None = None
    ) -> None:
        """Report as reports says; flows are numbered from first. kept holds the open ones of a former run."""
        self._reports = reports
        self._kept = kept if kept is not None else Gathered(Live)
        self._number = first
        self._limit = limit
        self._live: OrderedDict[Key, Live] = OrderedDict()
        self._moved: set[Key] = set()
        for live in sorted(self._kept, key=lambda one: one.flow.mono):
            self._live[_key(live.flow)] = live
            if live.reported is not None:
                reports.resume(live.flow.cookie, live.reported)

    def __len__(self) -> int:
        """Return how many flows are open."""
        return len(self._live)

    def take(self, sums: list[Flow], now: int) -> list[Flow]:
        """Return what a turn's sums begin (OPEN), show (REPORT) and end (SUM); now is CLOCK_BOOTTIME ns."""
        before, self._moved = self._moved, set()
        for one in sums:
            self._add(one)
        found: list[Flow] = []
        for key in self._moved:
            found += self._show(self._live[key], now)
        for key in (before & self._live.keys()) - self._moved:
            live = self._live[key]
            if self._reports.rested(live.flow.cookie, live.total, now):
                found.append(_as(live, FlowEvent.REPORT, now))
                self._keep(live)
        for key in self._moved:
            self._keep(self._live[key])
        return found + self._ended(now)

    def rest(self, now: int) -> list[Flow]:
        """Return a REPORT of every open flow; nothing more will be taken."""
        for live in self._live.values():
            self._kept.drop(str(live.flow.cookie))
        return [_as(live, FlowEvent.REPORT, now) for live in self._live.values()]

    def _keep(self, live: Live) -> None:
        live.reported = self._reports.last(live.flow.cookie)
        self._kept.put(str(live.flow.cookie), live)

    def _add(self, one: Flow) -> None:
        key = _key(one)
        live = self._live.get(key)
        if live is None:
            if not (one.packets_out or one.packets_in):
                return  # the release of sockets whose flow has ended by silence
            self._number += 1
            self._live[key] = Live(replace(one, cookie=self._number))
            self._reports.opened(self._number, one.opened or one.mono)
        else:
            live.flow = _merged(live.flow, one)
            live.turns += key not in self._moved
        self._moved.add(key)
        self._live.move_to_end(key)

    def _show(self, live: Live, now: int) -> list[Flow]:
        """Return the open of a flow that goes on, and its report if one is due."""
        found: list[Flow] = []
        if live.is_over:
            return found
        if live.turns > 1 and not live.told:
            live.told = True
            found.append(_as(live, FlowEvent.OPEN, live.flow.opened or now))
        if self._reports.due(live.flow.cookie, live.total, now):
            found.append(_as(live, FlowEvent.REPORT, now))
        return found

    def _ended(self, now: int) -> list[Flow]:
        over = [key for key in self._moved if self._live[key].is_over]
        for key, live in self._live.items():
            if now - live.flow.mono < SILENCE and len(self._live) - len(over) <= self._limit:
                break
            if key not in self._moved or not live.is_over:
                over.append(key)
        found: list[Flow] = []
        for key in over:
            live = self._live.pop(key)
            self._moved.discard(key)
            self._reports.closed(live.flow.cookie)
            self._kept.drop(str(live.flow.cookie))
            found.append(live.flow)
        return found


def _key(flow: Flow) -> Key:
    """Return what a flow's sums have in common, as struct sum_key of bpf/flow.h."""
    owner = (flow.owner.pid, flow.owner.start) if flow.owner is not None else None
    port = flow.local.port if flow.direction == "in" else flow.remote.port
    return flow.protocol, flow.direction, owner, flow.netns, flow.local.ip, flow.remote.ip, port


def _as(live: Live, event: FlowEvent, mono: int) -> Flow:
    return replace(live.flow, event=event, mono=mono)


def _merged(flow: Flow, more: Flow) -> Flow:
    """Return flow with more added; a release has no ports of its own to differ in."""
    told = bool(more.packets_out or more.packets_in)
    return replace(
        flow,
        flows=flow.flows + more.flows,
        released=flow.released + more.released,
        mono=more.mono if told else flow.mono,
        sent=flow.sent + more.sent,
        received=flow.received + more.received,
        packets_out=flow.packets_out + more.packets_out,
        packets_in=flow.packets_in + more.packets_in,
        local=_common(flow.local, more.local) if told else flow.local,
        remote=_common(flow.remote, more.remote) if told else flow.remote,
    )


def _common(one: Endpoint, other: Endpoint) -> Endpoint:
    return one if one.port == other.port else replace(one, port=None)
