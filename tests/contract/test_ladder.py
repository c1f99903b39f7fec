"""The ladder believes a rung only when it has seen its trigger, and says of each what was wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agent.errors import RungUnavailable
from agent.ladder import PATIENCE, climb
from agent.live_feed import LiveFeed
from agent.sensor import Context, Feed, Moment, Observed, Rung, Sensor
from agent.settings import Settings
from evidence.kind import Actor, Body
from evidence.kinds.agent import Loss
from evidence.kinds.process import Exec

TRIGGER, OTHER = Exec(pid=7), Exec(pid=8)


class Clock:
    """A clock that moves when somebody waits."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> Moment:
        return Moment(self.now, self.now)

    def wait(self, feed: Feed) -> None:
        self.now += int((feed.period or 0.1) * 1e9)


class FakeFeed:
    """Shows its trigger at the read-th read, or never."""

    period: float | None = 0.1

    def __init__(self, read: int | None, fault: str | None = None) -> None:
        self._left = read
        self._fault = fault
        self.closed = 0

    def filenos(self) -> tuple[int, ...]:
        return ()

    def read(self, now: Moment) -> Iterable[Observed]:
        if self._fault is not None:
            raise ValueError(self._fault)
        if self._left is None:
            return [Observed(OTHER, mono=now.mono)]
        self._left -= 1
        return [Observed(TRIGGER, mono=now.mono)] if self._left == 0 else [Observed(OTHER, mono=now.mono)]

    def losses(self, now: Moment) -> Iterable[Loss]:  # noqa: ARG002 - the contract names it
        return ()

    def trigger(self) -> Callable[[Body], bool]:
        return lambda body: body == TRIGGER

    def close(self) -> None:
        self.closed += 1


class Nobody:
    def actor(self, pid: int, mono: int | None = None) -> Actor | None:  # noqa: ARG002 - the contract names them
        return None

    def formers(self, pid: int, since: int, until: int) -> tuple[Actor, ...]:  # noqa: ARG002 - of the protocol
        return ()

    def became(self, pid: int, start: int | None, since: int, until: int) -> str | None:  # noqa: ARG002 - as above
        return None


def around(clock: Clock) -> Context:
    return Context(Settings(), Path("/nowhere"), Nobody(), clock)


def refuse(_: Context) -> Feed:
    raise RungUnavailable("no such kernel", fix="another kernel")


def giving(feed: Feed) -> Callable[[Context], Feed]:
    return lambda _: feed


def test_takes_the_first_that_sees_its_trigger_and_keeps_what_else_came() -> None:
    clock, good = Clock(), FakeFeed(3)
    sensor = Sensor("process", (Rung("a", refuse), Rung("b", giving(good)), Rung("c", refuse)))
    climbed = climb(sensor, around(clock), clock.wait)
    assert (climbed.feed, climbed.rung) == (good, "b")
    assert [one.body for one in climbed.seen] == [OTHER, OTHER]
    assert [(one.rung, one.works, one.reason, one.fix) for one in climbed.tried] == [
        ("a", False, "no such kernel", "another kernel"),
        ("b", True, None, None),
    ]
    assert good.closed == 0


def test_a_rung_that_opens_but_sees_nothing_is_closed_and_left() -> None:
    clock, blind, faulty = Clock(), FakeFeed(None), FakeFeed(1, fault="torn")
    sensor = Sensor("process", (Rung("blind", giving(blind)), Rung("faulty", giving(faulty))))
    climbed = climb(sensor, around(clock), clock.wait)
    assert climbed.feed is None
    assert climbed.rung is None
    assert [one.reason for one in climbed.tried] == [
        "it opened but did not see its own trigger in time",
        "ValueError: torn",
    ]
    assert (blind.closed, faulty.closed) == (1, 1)
    assert clock.now <= 2 * PATIENCE


def test_a_chosen_rung_is_tried_alone_and_an_unknown_one_named_with_the_choices() -> None:
    clock, good = Clock(), FakeFeed(1)
    sensor = Sensor("process", (Rung("a", refuse), Rung("b", giving(good))))
    assert [one.rung for one in climb(sensor, around(clock), clock.wait, "b").tried] == ["b"]
    (unknown,) = climb(sensor, around(clock), clock.wait, "z").tried
    assert unknown.fix == "set [process] rung to auto or one of: a, b"


def test_what_this_host_has_nothing_of_is_not_tried_and_not_degraded() -> None:
    clock, good = Clock(), FakeFeed(1)
    sensor = Sensor("module", (Rung("a", giving(good)),), lambda: "no modules")
    live = LiveFeed(sensor, lambda one: climb(one, around(clock), clock.wait))
    assert live.open(clock()) == []
    state = live.state()
    assert (state.rung, state.degraded) == (None, False)
    assert [(one.works, one.reason) for one in state.tried] == [(False, "no modules")]
    assert live.losses(clock()) == []


@given(st.lists(st.sampled_from([None, 1, 5]), max_size=5))
def test_exactly_the_chosen_feed_stays_open(reads: list[int | None]) -> None:
    clock = Clock()
    feeds = [FakeFeed(read) for read in reads]
    sensor = Sensor("s", tuple(Rung(str(at), giving(feed)) for at, feed in enumerate(feeds)))
    climbed = climb(sensor, around(clock), clock.wait)
    first = next((at for at, read in enumerate(reads) if read is not None), None)
    assert climbed.rung == (None if first is None else str(first))
    assert [feed.closed for feed in feeds] == [
        int(first is None or at < first) if first is None or at <= first else 0 for at in range(len(feeds))
    ]
