"""Flows of datagrams from the sums of each second."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.decode.bpf_connection import Flow, FlowEvent
from agent.decode.bpf_owner import Owner
from agent.feeds.datagram_flows import SILENCE, DatagramFlows, Live
from agent.feeds.flow_reports import FlowReports
from agent.gathered import Gathered, merge
from evidence.kind import Endpoint

SECOND = 1_000_000_000
OWNER = Owner(7, 1, 7, 1, 0, None, None)


def one_sum(mono: int = 0, **fields: Any) -> Flow:
    known: dict[str, Any] = {
        "event": FlowEvent.SUM,
        "protocol": "udp",
        "direction": "out",
        "flows": 0,
        "mono": mono,
        "cookie": 1,
        "opened": mono,
        "sent": 10,
        "received": 0,
        "packets_out": 1,
        "packets_in": 0,
        "released": 0,
        "owner": OWNER,
        "local": Endpoint(ip="192.0.2.1", port=40_000),
        "remote": Endpoint(ip="192.0.2.2", port=53),
        "netns": 1,
    }
    return Flow(**(known | fields))


def table(limit: int = 100) -> DatagramFlows:
    return DatagramFlows(FlowReports(1_000_000, 60.0), 1000, limit)


def test_a_flow_ends_with_its_sockets() -> None:
    flows = table()
    assert flows.take([one_sum(flows=2)], SECOND) == []
    assert flows.take([one_sum(sent=0, packets_out=0, released=1)], 2 * SECOND)[-1].event is FlowEvent.OPEN
    (ended,) = flows.take([one_sum(sent=0, packets_out=0, released=1)], 3 * SECOND)
    assert (ended.event, ended.sent, ended.flows, ended.cookie) == (FlowEvent.SUM, 10, 2, 1001)
    assert len(flows) == 0


def test_a_flow_ends_in_silence_and_what_comes_later_is_another() -> None:
    flows = table()
    flows.take([one_sum()], SECOND)
    (ended,) = flows.take([], SECOND + SILENCE)
    assert ended.sent == 10
    flows.take([one_sum(mono=100 * SECOND)], 101 * SECOND)
    (again,) = flows.take([], 101 * SECOND + SILENCE)
    assert again.cookie != ended.cookie


def test_the_release_of_what_has_ended_begins_nothing() -> None:
    flows = table()
    assert flows.take([one_sum(sent=0, packets_out=0, released=1)], SECOND) == []
    assert len(flows) == 0


def test_much_is_reported_at_its_size_and_when_it_rests() -> None:
    flows = table()
    flows.take([one_sum(sent=2_000_000)], SECOND)
    found = flows.take([one_sum(mono=SECOND, sent=5_000_000)], 2 * SECOND)
    assert [one.event for one in found] == [FlowEvent.OPEN]
    (rested,) = flows.take([], 3 * SECOND)
    assert (rested.event, rested.sent) == (FlowEvent.REPORT, 7_000_000)
    assert flows.take([], 4 * SECOND) == []


def test_what_is_open_at_the_end_is_told_so_far() -> None:
    flows = table()
    flows.take([one_sum()], SECOND)
    (left,) = flows.rest(2 * SECOND)
    assert (left.event, left.sent) == (FlowEvent.REPORT, 10)


def test_a_port_that_is_not_common_is_none() -> None:
    flows = table()
    flows.take([one_sum(flows=1)], SECOND)
    other = one_sum(local=Endpoint(ip="192.0.2.1", port=40_001), flows=1, released=2)
    (ended,) = flows.take([other], 2 * SECOND)
    assert (ended.local.port, ended.remote.port) == (None, 53)


def test_beyond_the_bound_the_longest_silent_is_ended_and_told() -> None:
    flows = table(limit=2)
    sums = [one_sum(remote=Endpoint(ip=f"192.0.2.{number}", port=53)) for number in range(5)]
    ended = flows.take(sums, SECOND)
    assert [one.remote.ip for one in ended] == ["192.0.2.0", "192.0.2.1", "192.0.2.2"]
    assert len(flows) == 2


PEERS = st.integers(1, 4)
TURNS = st.lists(
    st.lists(st.tuples(PEERS, st.integers(0, 10**7), st.integers(0, 1)), max_size=4), max_size=12
)


@given(TURNS)
def test_every_byte_is_told_once_in_the_end(turns: list[list[tuple[int, int, int]]]) -> None:
    flows, now, told = table(limit=3), 0, 0
    for turn in turns:
        now += SECOND
        sums = [
            one_sum(
                mono=now, sent=size, flows=1, released=gone, remote=Endpoint(ip=f"192.0.2.{peer}", port=9)
            )
            for peer, size, gone in turn
        ]
        told += sum(one.sent for one in flows.take(sums, now) if one.event is FlowEvent.SUM)
    told += sum(one.sent for one in flows.take([], now + SILENCE) if one.event is FlowEvent.SUM)
    assert told == sum(size for turn in turns for _, size, _ in turn)
    assert len(flows) == 0


KILLED = st.lists(
    st.tuples(st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.booleans())), st.booleans()), max_size=20
)


@given(KILLED)
def test_a_kill_between_two_turns_changes_no_sum(turns: list[tuple[list[tuple[int, bool]], bool]]) -> None:
    """Each turn brings sums of some peers, some with a release; then the process may be killed."""
    killed: dict[str, dict[str, bytes]] = {"flows": {}}
    kept = Gathered(Live)
    whole, flows = table(), DatagramFlows(FlowReports(1_000_000, 60.0), 1000, kept=kept)
    told: tuple[list[Flow], list[Flow]] = [], []
    for number, (sums, kill) in enumerate([*turns, ([], False)], 1):
        now = number * SECOND if number <= len(turns) else (number + 60) * SECOND
        some = [
            one_sum(now, flows=1, released=int(ends), remote=Endpoint(ip=f"192.0.2.{peer}", port=9))
            for peer, ends in sums
        ]
        told[0].extend(whole.take(some, now))
        told[1].extend(flows.take(some, now))
        merge(killed, {"flows": kept.changes()})
        if kill:
            kept = Gathered(Live, killed["flows"])
            flows = DatagramFlows(FlowReports(1_000_000, 60.0), 1000 + 1000 * number, kept=kept)
    assert len(kept) == 0
    assert sums_of(told[0]) == sums_of(told[1])


def sums_of(told: list[Flow]) -> list[tuple[FlowEvent, str, int, int, int]]:
    """Return what ended and what was told open, without the numbers of the flows."""
    return sorted(
        (one.event, one.remote.ip, one.mono, one.sent, one.flows)
        for one in told
        if one.event is not FlowEvent.REPORT
    )
