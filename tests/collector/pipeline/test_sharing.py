"""A loaded state has what it holds many times as one, and is the same."""

from __future__ import annotations

from typing import Any

import msgspec

from collector.analysis import Analysis
from collector.pipeline.sharing import shared
from collector.settings import Detection
from tests.bench import entities


class _Place(msgspec.Struct, frozen=True):
    host: str
    at: float = 0.0
    seen: tuple[str, ...] = ()


class _Table(msgspec.Struct):
    places: dict[str, _Place] = {}
    times: list[int | float | None] = []
    open: dict[int, list[str]] = {}


def _table() -> _Table:
    host = "a host of a long name"
    raw = msgspec.msgpack.encode(
        _Table(
            {host: _Place(host, 1.0, (host, "x")), "other": _Place(host, 1.0, (host, "x"))},
            [1 << 60, 1.0, None],
            {1: [host]},
        )
    )
    return msgspec.msgpack.decode(raw, type=_Table)


def test_equal_texts_times_and_frozen_records_become_one() -> None:
    known: dict[type, dict[Any, Any]] = {}
    one, two = shared(_table(), known), shared(_table(), known)
    assert one == two == _table()
    (host, first), (_other, second) = one.places.items()
    assert first is second is two.places[host]
    assert first.host is host is first.seen[0] is two.open[1][0]
    assert one.times[0] is two.times[0]
    assert one is not two


def test_what_may_change_stays_apart() -> None:
    one, two = (shared(_table(), {}) for _ in range(2))
    one.open[1].append("more")
    assert two.open == {1: ["a host of a long name"]}


def test_numbers_of_two_types_stay_what_they_are() -> None:
    known: dict[type, dict[Any, Any]] = {}
    assert [type(one) for one in shared([1 << 40, float(1 << 40), True], known)] == [int, float, bool]


def test_an_engine_that_was_loaded_stores_the_same_state() -> None:
    engine = Analysis(Detection())
    for origin, events in entities.sessions(200, 3):
        engine.step(origin, events, origin.received)
    again = Analysis(Detection())
    again.load(engine.dump())
    assert again.dump() == engine.dump()
