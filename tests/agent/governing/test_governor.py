"""The governor: never below the budget, never for long above it, never priority, nothing unsaid."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from agent import settings
from agent.governing.governor import OVER_BUDGET, RING_FILLING, Governor, budget
from agent.governing.interactive import InteractiveSessions
from agent.governing.shedding import SAMPLE, SUGGESTION, Shedding
from agent.sealing.losses import LossBook, Lost
from evidence.kind import Actor, Body, Endpoint, kind_of
from evidence.kinds.act import Ptrace
from evidence.kinds.agent import Loss
from evidence.kinds.connection import Open
from evidence.kinds.dns import Query
from evidence.kinds.file import Delete
from evidence.kinds.login import Accepted
from evidence.kinds.process import Ancestor, Exec, Exit
from tests.agent.test_watch import Bench

SECOND = 1_000_000_000
END = Endpoint(ip="::1", port=1)


def begun(share: float) -> Governor:
    governor = Governor(share)
    governor.measure(0, 0)
    return governor


def overrun(governor: Governor, seconds: int = 30) -> int:
    """Use a whole core for so long; return when that ends, which is the CPU time it took too."""
    for second in range(1, seconds + 1):
        governor.measure(second * SECOND, second * SECOND)
    return seconds * SECOND


def closed(sessions: InteractiveSessions | None = None) -> Shedding:
    """Return what sheds, its sample used up."""
    governor = begun(0.1)
    shedding = Shedding(governor, sessions or InteractiveSessions(5))
    shedding.measure(30 * SECOND, 30 * SECOND)
    for kind in (Exec(pid=1), Exit(pid=1), opened(None), Query(name="a", type="A")):
        while shedding.sheds(kind, 0) is None:
            pass
    return shedding


def opened(session: int | None) -> Open:
    actor = Actor(pid=1, session=session)
    return Open(flow=1, protocol="tcp", direction="out", local=END, remote=END, actor=actor)


slices = st.lists(st.tuples(st.integers(0, 5 * SECOND), st.floats(0, 1)), max_size=80)


@profile(deadline=None)
@given(st.floats(0.01, 4), slices)
def test_what_stays_within_the_share_never_closes(share: float, load: list[tuple[int, float]]) -> None:
    governor, mono, cpu = begun(share), 0, 0
    for passed, part in load:
        mono, cpu = mono + passed, cpu + int(passed * share * part)
        governor.measure(mono, cpu)
        assert governor.cause is None


@profile(deadline=None)
@given(st.floats(0.01, 1), st.floats(0, 0.99))
def test_a_burst_of_ten_seconds_worth_goes_through(share: float, part: float) -> None:
    governor = begun(share)
    governor.measure(1, int(share * 10 * part * SECOND))
    assert governor.cause is None


@profile(deadline=None, max_examples=40)
@given(st.floats(0.05, 0.75), st.integers(20, 200))
def test_lasting_load_is_held_to_the_share_and_it_never_flutters(share: float, turns_a_second: int) -> None:
    governor, cpu, step = begun(share), 0.0, SECOND // turns_a_second
    changes, was, time = [], None, 0
    for _ in range(60 * turns_a_second):
        time += step
        # Open, the load takes a whole core; closed, what is left to do takes a tenth of the share.
        cpu += step * (1.0 if governor.cause is None else share / 10)
        governor.measure(time, int(cpu))
        if governor.cause != was:
            changes.append(time)
            was = governor.cause
    closings = changes[::2]
    assert closings
    assert cpu <= share * (time + 10 * SECOND) + 2 * step * len(closings)
    assert all(later - earlier >= 5 * SECOND for earlier, later in pairwise(closings))


def test_it_opens_again_when_the_load_is_gone_and_not_before_half_is_paid_back() -> None:
    governor = begun(0.5)
    spent = overrun(governor)
    assert governor.cause == OVER_BUDGET
    governor.measure(spent + 4 * SECOND, spent)
    assert governor.cause == OVER_BUDGET
    governor.measure(spent + 5 * SECOND, spent)
    assert governor.cause is None


def test_what_was_used_before_it_began_is_no_matter() -> None:
    governor = Governor(0.1)
    governor.measure(SECOND, 100 * SECOND)
    governor.measure(2 * SECOND, 100 * SECOND)
    assert governor.cause is None


def test_a_ring_that_fills_faster_than_it_is_read_closes_until_it_is_read() -> None:
    governor = begun(0.5)
    said = []
    for fill in (0.6, 0.7, 0.8, 0.9, 0.7, 0.6, 0.5, 0.7):
        governor.ring(fill)
        said.append(governor.cause)
    assert said == [None, None, *[RING_FILLING] * 4, None, None]


def test_what_a_kill_left_in_a_ring_is_no_reason_to_shed() -> None:
    governor = begun(0.5)
    for fill in (1.0, 0.9, 0.9, 0.8, 0.4):
        governor.ring(fill)
        assert governor.cause is None


def test_a_ring_whose_feed_fell_silent_counts_no_more() -> None:
    governor = begun(0.5)
    for fill in (0.7, 0.8):
        governor.ring(fill)
    governor.measure(SECOND, 0)
    assert governor.cause == RING_FILLING
    governor.measure(4 * SECOND, 0)
    assert governor.cause is None


def test_the_budget_stays_below_the_units_quota() -> None:
    assert budget(0.5, None) == 0.5
    assert budget(0.5, 2.0) == 0.5
    assert budget(0.5, 0.2) == pytest.approx(0.16)


PRIORITY: tuple[Body, ...] = (
    Accepted(program="sshd", user="a", session=8),
    Ptrace(request="attach", actor=Actor(pid=1)),
    Loss(sensor="process", cause="ring_full", count=1),
)
SSHD = (Ancestor(pid=2, exe="/usr/sbin/sshd"),)


def executed(session: int | None, tty: str | None) -> Exec:
    """Return an exec; sessions 1 and 2 were born of sshd."""
    return Exec(pid=1, session=session, tty=tty, ancestry=SSHD if session in (1, 2) else ())


bodies = st.one_of(
    st.sampled_from(PRIORITY),
    st.builds(executed, st.none() | st.integers(1, 4), st.none() | st.just("pts/0")),
    st.builds(Exit, pid=st.integers(1, 9), session=st.none() | st.integers(1, 4)),
    st.builds(opened, st.none() | st.integers(1, 4)),
    st.just(Query(name="a", type="A")),
    st.just(Delete(path="/etc/passwd")),
)


@profile(deadline=None)
@given(st.lists(bodies, max_size=400), st.integers(0, 20), st.booleans())
def test_priority_is_never_shed_and_what_is_shed_and_passed_is_what_was_offered(
    offered: list[Body], quota: int, over: bool
) -> None:
    sessions, judge = InteractiveSessions(quota), InteractiveSessions(quota)
    shedding = closed(sessions) if over else Shedding(begun(0.1), sessions)
    shed: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    for at, body in enumerate(offered):
        ride = judge.lane(body, at)  # as if nothing were ever shed
        if shedding.sheds(body, at) is None:
            passed[kind_of(body)] += 1
            assert sessions.lane(body, at) == ride
        else:
            shed[kind_of(body)] += 1
            assert ride == "bulk"
    assert shed + passed == Counter(map(kind_of, offered))
    assert over or not shed
    assert not shed[kind_of(Delete)]


def test_a_session_that_nothing_is_known_of_is_not_shed_and_one_that_used_its_quota_is() -> None:
    sessions = InteractiveSessions(2)
    shedding = closed(sessions)
    assert shedding.sheds_exec(7, 0, tty=False) is None
    assert [sessions.lane(Exec(pid=1, session=7), 0) for _ in range(2)] == ["bulk", "bulk"]
    assert shedding.sheds_exec(7, 0, tty=False) == OVER_BUDGET
    assert shedding.sheds_exec(7, 0, tty=True) is None, "it may be a person's by now"
    assert sessions.lane(Accepted(program="sshd", user="a", session=7), 0) == "priority"
    assert [sessions.lane(Exec(pid=1, session=7), 0) for _ in range(2)] == ["priority", "priority"]
    assert shedding.sheds_exec(7, 0, tty=True) == OVER_BUDGET
    assert shedding.sheds_exec(7, 61 * SECOND, tty=True) is None, "the next minute's quota"


def test_a_sample_of_each_kind_passes_each_second() -> None:
    shedding = closed()
    shedding.measure(32 * SECOND, 40 * SECOND)
    execs = [shedding.sheds(Exec(pid=1), 0) for _ in range(SAMPLE + 1)]
    assert execs == [None] * SAMPLE + [OVER_BUDGET]
    assert shedding.sheds_exec(None, 0, tty=False) == OVER_BUDGET
    assert shedding.sheds(Query(name="a", type="A"), 0) is None, "a kind that comes seldom loses nothing"


def test_a_loud_producer_is_named_though_thousands_of_others_are() -> None:
    book = LossBook()
    for number in range(10_000):
        book.add(Lost("watch", OVER_BUDGET, 1, 1, 2, "process.exec", f"/opt/{number}", SUGGESTION))
        if number > 5000:
            book.add(Lost("watch", OVER_BUDGET, 1, 1, 2, "process.exec", "/bin/loud", SUGGESTION))
    (told,) = book.events(now=1)
    assert told.count == 14_999
    assert told.top is not None
    assert next(iter(told.top)) == "/bin/loud"
    assert told.top["/bin/loud"] == 4999


def test_over_the_budget_watch_sheds_bulk_by_count_and_names_who_and_what_to_do(tmp_path: Path) -> None:
    bench = Bench(tmp_path, settings.Batch(session_quota=1000))
    person = 0

    def step(turn: int) -> str | None:
        nonlocal person
        bench.cpu += SECOND if turn < 40 else 0
        number = turn * 1000
        bench.waiting += [Exec(pid=number + n, start=1, exe="/bin/bomb", uid=7) for n in range(100)]
        bench.waiting += [Exit(pid=number + n, start=1, uid=7) for n in range(100)]
        bench.waiting.append(Accepted(program="sshd", user="a", session=turn))
        bench.waiting.append(Exec(pid=number + 500, start=1, exe="/bin/sh", tty="pts/0", session=5))
        person += 1
        return "end" if turn == 80 else None

    assert bench.run(step)
    bodies = bench.bodies()
    shed = [body for body in bodies if isinstance(body, Loss)]
    signed: Counter[str] = Counter()
    for said, _ in bench.sealed():
        for loss in said.loss:
            assert loss.cause == f"watch: {OVER_BUDGET}"
            signed.update(loss.counts)
    told = Counter(map(kind_of, bodies))
    assert told["process.exec"] + signed["process.exec"] == 101 * person
    assert told["process.exit"] + signed["process.exit"] == 100 * person
    assert sum(loss.count or 0 for loss in shed) == signed.total() > 0
    assert told["login.accepted"] == person
    assert sum(isinstance(body, Exec) and body.session == 5 for body in bodies) == person
    assert {loss.suggestion for loss in shed} == {SUGGESTION}
    assert all(list(loss.top or {}) == ["/bin/bomb, uid 7"] for loss in shed)
    last = [body.pid // 1000 for body in bodies if isinstance(body, Exec) and body.exe == "/bin/bomb"]
    assert Counter(last)[80] == 100, "open again"
    assert bench.seqs() == list(range(1, len(bench.seqs()) + 1))
