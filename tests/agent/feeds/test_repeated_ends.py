"""An end that several threads report is told once, and costs nothing once the last of them is gone."""

from __future__ import annotations

from agent.feeds.repeated_ends import RepeatedEnds
from evidence.kinds.process import Exit


def test_an_end_is_told_once_however_many_threads_report_it() -> None:
    ends, body = RepeatedEnds(), Exit(pid=7, start=1)
    assert [ends.repeats(body, shared=shared) for shared in (True, True, False)] == [False, True, True]
    assert not ends


def test_a_lone_end_is_new_and_not_remembered() -> None:
    ends = RepeatedEnds()
    assert not ends.repeats(Exit(pid=7, start=1), shared=False)
    assert not ends


def test_the_next_process_with_the_same_pid_is_another() -> None:
    ends = RepeatedEnds()
    assert not ends.repeats(Exit(pid=7, start=1), shared=True)
    assert not ends.repeats(Exit(pid=7, start=2), shared=False)
    assert ends.repeats(Exit(pid=7, start=1), shared=False)


def test_what_is_remembered_is_bounded() -> None:
    ends = RepeatedEnds()
    for pid in range(1000):
        ends.repeats(Exit(pid=pid, start=1), shared=True)
    assert not ends.repeats(Exit(pid=0, start=1), shared=False)
    assert ends.repeats(Exit(pid=999, start=1), shared=False)
