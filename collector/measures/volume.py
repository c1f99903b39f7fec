"""Bytes that flows moved, counted the same in whatever order their reports and closes come. Pure."""

from __future__ import annotations

import bisect
import functools

import msgspec

from evidence.kind import Endpoint
from evidence.kinds.connection import Close, Report

from ..record import Record
from .baselines import day_of
from .windows import EVIDENCE

FLOWS_LIMIT = 64
"""Flows whose bytes are remembered one by one: reports tell bytes so far, of longer ago the sum is kept."""


class Grown(msgspec.Struct, frozen=True, gc=False):
    """By how many bytes a volume grew, and on which day (of UTC) the flow that did it began."""

    out: int
    into: int
    day: int


class Volume(msgspec.Struct, gc=False):
    """Bytes of some flows: out and into the host, event times (UTC ns) from first to last.

    flows has for each flow the most that was told of it. place is the name that stands for the other end, its
    address where no answer named it; by is how, in words, of the earliest event. evidence is the
    earliest (time, uid), and the latest.
    """

    out: int = 0
    into: int = 0
    first: int = 0
    last: int = 0
    flows: dict[str, tuple[int, int]] = {}
    evidence: list[tuple[int, str]] = []
    place: str = ""
    by: str = ""

    def add(self, record: Record, body: Close | Report, by: str = "") -> Grown:
        """Count what a report or close tells of its flow, and return what is new of it."""
        flow = _flow(body.protocol, body.flow)
        out, into = self.flows.get(flow, (0, 0))
        most = max(out, body.bytes_out or 0), max(into, body.bytes_in or 0)
        grown = Grown(most[0] - out, most[1] - into, day_of(began(record, body)))
        self.flows[flow] = most
        if len(self.flows) > FLOWS_LIMIT:
            del self.flows[next(iter(self.flows))]
        self.out += grown.out
        self.into += grown.into
        time = record.event.time
        if not self.first or time < self.first:
            self.by = by
        self.first = min(self.first or time, time)
        self.last = max(self.last, time)
        where = place(body.remote)
        if not self.place or where != body.remote.ip:
            self.place = where
        bisect.insort(self.evidence, (time, record.uid))
        del self.evidence[EVIDENCE:-1]
        return grown

    def uids(self) -> tuple[str, ...]:
        """Return the earliest uids, and the latest: whichever of them came last."""
        return tuple(dict.fromkeys(uid for _, uid in self.evidence))


def place(remote: Endpoint) -> str:
    """Return what stands for the other end from day to day: its name, for addresses change.

    The server name of a TLS ClientHello is what the client says: it proves nothing.
    """
    return remote.name if remote.name is not None and remote.named_by is None else remote.ip


def began(record: Record, body: Close | Report) -> int:
    """Return when the flow of an event began, as far as it tells (UTC ns)."""
    return record.event.time - (body.duration or 0)


@functools.lru_cache(1024)
def _flow(protocol: str, flow: int) -> str:
    """Return what a flow is remembered by: one and the same string for all rules."""
    return f"{protocol}{flow}"
