"""A clock that is ahead shows at once; one that is behind only where it cannot be a late host."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.pipeline import skew

SECOND = 1_000_000_000
NOON = 1_790_000_000 * SECOND


class Watch:
    """Statements of one host, whose clock is ahead by some seconds."""

    def __init__(self, ahead: float = 0) -> None:
        self.clocks: dict[str, skew.Clock] = {}
        self.ahead = ahead

    def say(self, at: float, late: float = 0.1, *, boot: str = "b1") -> float:
        """Send a statement at a time that comes late, and return by how many seconds the clock is ahead."""
        sent = NOON + int((at + self.ahead) * SECOND)
        received = NOON + int((at + late) * SECOND)
        return skew.learn(self.clocks, "a1", boot, sent=sent, received=received) / SECOND


def test_a_clock_that_is_ahead_shows_with_the_first_statement() -> None:
    host = Watch(ahead=90)
    assert host.say(0) == 89.9
    assert host.say(10, late=600) == 89.9, "late from now on"


def test_a_clock_that_is_behind_shows_by_the_smallest_difference() -> None:
    host = Watch(ahead=-90)
    assert host.say(0, late=30) == -120
    assert host.say(60) == -90.1
    assert host.say(120, late=600) == -90.1


def test_a_late_host_is_not_slow_once_it_was_not_late() -> None:
    host = Watch()
    assert host.say(0) == 0
    assert host.say(10, late=600) == 0
    assert host.say(20, late=4000) == 0


def test_a_clock_that_is_set_right_is_right_after_an_hour_or_a_boot() -> None:
    host = Watch(ahead=90)
    assert host.say(0) == 89.9
    host.ahead = 0
    assert host.say(1800) == 89.9
    assert host.say(3700 + 300) == 0
    other = Watch(ahead=90)
    assert other.say(0) == 89.9
    other.ahead = 0
    assert other.say(10, boot="b2") == 0


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 5000)), max_size=50))
def test_state_is_bounded_and_no_statement_in_time_is_slow(said: list[tuple[int, int]]) -> None:
    host = Watch()
    host.say(0, 0)
    for at, late in sorted(said, key=sum):
        assert host.say(at, late) == 0
    assert len(host.clocks["a1|b1"].slots) <= 13
