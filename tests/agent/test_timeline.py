"""Wall and monotonic time, through steps of the wall clock."""

from __future__ import annotations

from agent.sensor import Moment, Observed
from agent.timeline import STEP, Timeline
from evidence.kinds.process import Exit

BODY = Exit(pid=1)
NOW = Moment(1000, 100)


def test_each_clock_follows_from_the_other() -> None:
    line = Timeline(NOW)
    assert line.place(Observed(BODY, mono=90), NOW) == Moment(990, 90)
    assert line.place(Observed(BODY, time=990), NOW) == Moment(990, 90)
    assert line.place(Observed(BODY, time=7, mono=90), NOW) == Moment(7, 90)
    assert line.place(Observed(BODY), NOW) == NOW


def test_times_are_never_negative() -> None:
    assert Timeline(Moment(5, 100)).place(Observed(BODY, mono=1), NOW) == Moment(0, 1)
    assert Timeline(NOW).place(Observed(BODY, time=1), NOW) == Moment(1, 0)


def test_a_step_is_told_and_slewing_is_not() -> None:
    line = Timeline(NOW)
    assert line.advance(Moment(NOW.time + STEP - 1 + 10, NOW.mono + 10)) is None
    assert line.advance(Moment(NOW.time - 5 * STEP + 20, NOW.mono + 20)) == -6 * STEP + 1
    assert line.place(Observed(BODY, mono=NOW.mono + 20), NOW).time == max(NOW.time - 5 * STEP + 20, 0)
