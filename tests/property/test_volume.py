"""Bytes of flows add up to what the last of each flow says, whatever order that comes in."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from collector.measures.volume import FLOWS_LIMIT, Volume
from collector.measures.windows import EVIDENCE
from collector.record import Record
from evidence.event import stamp
from evidence.kind import Endpoint
from evidence.kinds.connection import Close, Report

HERE, THERE = Endpoint(ip="10.0.0.5", port=50_000), Endpoint(ip="203.0.113.9", port=443)
FLOWS = st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=4), min_size=1, max_size=12)


def events(flows: list[list[int]]) -> list[tuple[Record, Close | Report]]:
    """Return for each flow its reports, of ever more bytes, and its close."""
    made: list[tuple[Record, Close | Report]] = []
    for number, steps in enumerate(flows):
        total = 0
        for at, step in enumerate(steps):
            total += step
            kind = Close if at == len(steps) - 1 else Report
            body = kind(
                flow=number,
                protocol="tcp",
                direction="out",
                local=HERE,
                remote=THERE,
                bytes_out=total,
                bytes_in=2 * total,
            )
            seq = len(made) + 1
            event = stamp(body, seq=seq, time=1000 * (at + 1) + number, mono=seq)
            made.append((Record("web1", 1, "boot", "web1", seq, 0, event), body))
    return made


@given(FLOWS, st.randoms())
def test_any_order_ends_in_the_same_volume(flows: list[list[int]], chance: object) -> None:
    arriving = events(flows)
    shuffled = arriving[:]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = Volume(), Volume()
    grown = [one.add(record, body).out for record, body in arriving]
    for record, body in shuffled:
        other.add(record, body)
    assert one.out == sum(map(sum, flows)) == sum(grown)
    assert one.into == 2 * one.out
    assert msgspec.structs.replace(one, flows={}) == msgspec.structs.replace(other, flows={})
    assert one.flows == other.flows
    assert len(one.uids()) <= EVIDENCE + 1


def test_more_flows_than_are_remembered_still_count() -> None:
    volume = Volume()
    for record, body in events([[7]] * (3 * FLOWS_LIMIT)):
        volume.add(record, body)
    assert volume.out == 7 * 3 * FLOWS_LIMIT
    assert len(volume.flows) == FLOWS_LIMIT
