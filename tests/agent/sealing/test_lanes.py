"""Lanes: bounded, due by age or size, and never one at the other's cost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent import settings
from agent.sealing.lanes import LaneQueue, Lanes, Queued

SECOND = 1_000_000_000


def event(seq: int, size: int, now: int, time: int = 0) -> Queued:
    return Queued(b"x" * size, seq, time, now)


def queue(**limits: int) -> LaneQueue:
    return LaneQueue(settings.Batch(**limits), age=2.0)


def test_a_lane_is_due_by_age() -> None:
    lane = queue()
    assert lane.due_at() is None
    lane.offer(event(1, 10, now=5 * SECOND))
    lane.offer(event(2, 10, now=6 * SECOND))
    assert lane.due_at() == 7 * SECOND


def test_a_full_batch_is_due_at_once() -> None:
    by_count, by_bytes = queue(max_events=2), queue(max_bytes=20)
    for lane in (by_count, by_bytes):
        lane.offer(event(1, 10, now=5))
        assert lane.due_at() == 5 + 2 * SECOND
        lane.offer(event(2, 10, now=5))
        assert lane.due_at() == 0


def test_a_full_queue_refuses_and_keeps_what_it_has() -> None:
    lane = queue(queue_events=2)
    assert [lane.offer(event(n, 1, now=0)) for n in (1, 2, 3)] == [True, True, False]
    assert [item.seq for item in lane.take()] == [1, 2]
    small = queue(queue_bytes=15)
    assert [small.offer(event(n, 10, now=0)) for n in (1, 2)] == [True, False]


def test_what_could_not_be_stored_comes_first_again() -> None:
    lane = queue(max_events=2)
    for n in range(1, 5):
        lane.offer(event(n, 1, now=0))
    batch = lane.take()
    lane.restore(batch)
    assert [item.seq for item in lane.take()] == [1, 2]
    assert [item.seq for item in lane.take()] == [3, 4]
    assert lane.bytes == 0


def test_a_flooded_bulk_lane_leaves_priority_its_room() -> None:
    lanes = Lanes(settings.Batch(queue_events=10))
    while lanes.bulk.offer(event(1, 1, now=0)):
        pass
    assert lanes.priority.offer(event(2, 1, now=0))
    assert lanes.due(now=2 * SECOND) == "priority"
    lanes.priority.take()
    assert lanes.due(now=2 * SECOND) == "bulk"


def test_the_oldest_event_of_both_lanes_tells_what_is_covered() -> None:
    lanes = Lanes(settings.Batch())
    assert lanes.waiting_since() is None
    lanes.bulk.offer(event(1, 1, now=0, time=100))
    lanes.priority.offer(event(2, 1, now=0, time=200))
    assert lanes.waiting_since() == 100


@given(st.lists(st.integers(1, 40), max_size=60), st.integers(1, 10), st.integers(1, 100))
def test_taking_keeps_order_and_limits(sizes: list[int], max_events: int, max_bytes: int) -> None:
    lane = queue(max_events=max_events, max_bytes=max_bytes)
    for number, size in enumerate(sizes, start=1):
        lane.offer(event(number, size, now=0))
    taken: list[int] = []
    while batch := lane.take():
        assert len(batch) <= max_events
        assert len(batch) == 1 or sum(len(item.line) for item in batch) <= max_bytes
        taken += [item.seq for item in batch]
    assert taken == list(range(1, len(sizes) + 1))
    assert lane.bytes == 0
