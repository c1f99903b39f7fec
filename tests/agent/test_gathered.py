"""What is gathered outlives a kill: whenever it is written, a start goes on with what was written last."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from agent.gathered import GONE, Gathered, merge
from agent.kernel.rings import WATCH, Rings


class Sum(msgspec.Struct):
    total: int


class Renamed(msgspec.Struct):
    name: str


def totals(gathered: Gathered[Sum]) -> list[int]:
    return sorted(one.total for one in gathered)


def test_only_what_changed_is_written() -> None:
    gathered = Gathered(Sum)
    gathered.put("a", Sum(1))
    gathered.put("b", Sum(2))
    assert gathered.changes().keys() == {"a", "b"}
    assert gathered.changes() == {}
    gathered.put("b", Sum(3))
    gathered.drop("a")
    assert gathered.changes() == {"a": GONE, "b": msgspec.msgpack.encode(Sum(3))}


def test_what_came_and_went_between_two_looks_is_never_written() -> None:
    gathered = Gathered(Sum)
    gathered.put("a", Sum(1))
    gathered.drop("a")
    gathered.drop("never")
    assert gathered.changes() == {}


def test_what_another_version_wrote_is_counted_once_and_removed() -> None:
    gathered = Gathered(Renamed, {"a": msgspec.msgpack.encode(Sum(1)), "b": b"\xc1", "c": b""})
    assert (len(gathered), gathered.lost(), gathered.lost()) == (0, 3, 0)
    assert gathered.changes() == {"a": GONE, "b": GONE, "c": GONE}


def test_what_watch_gathers_is_written_with_each_sensor() -> None:
    rings = Rings()
    rings.gathered(WATCH, "suspects", Sum).put("a", Sum(1))
    rings.gathered("dns", "asked", Sum).put("b", Sum(2))
    assert rings.changes("process").keys() == {"watch/suspects"}
    assert rings.changes("dns").keys() == {"dns/asked"}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abc"), st.integers(0, 99)),
        st.tuples(st.just("drop"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.sampled_from(["write", "kill"]), st.just(""), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS)
def test_a_start_goes_on_with_what_was_written_last(steps: list[tuple[str, str, int]]) -> None:
    gathered, written = Gathered(Sum), {"flows": dict[str, bytes]()}
    now: dict[str, int] = {}
    kept: dict[str, int] = {}
    for step, key, total in steps:
        if step == "put":
            now[key] = total
            gathered.put(key, Sum(total))
        elif step == "drop":
            now.pop(key, None)
            gathered.drop(key)
        elif step == "write":
            merge(written, {"flows": gathered.changes()})
            kept = dict(now)
        else:
            gathered, now = Gathered(Sum, written["flows"]), dict(kept)
        assert totals(gathered) == sorted(now.values())
