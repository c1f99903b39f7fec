"""Losses: told by cause, at most once a minute, and signed within a statement's room."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from agent.sealing.losses import LossBook, Lost
from evidence import statement

MINUTE = 60_000_000_000


def lost(
    count: int | None = 1,
    at: int = 5,
    kind: str | None = None,
    producer: str | None = None,
    suggestion: str | None = None,
) -> Lost:
    return Lost("watch", "queue", count, at, at, kind, producer, suggestion)


def test_a_loss_is_told_at_once_then_once_a_minute() -> None:
    book = LossBook()
    book.add(lost(at=5))
    assert [told.count for told in book.events(now=10)] == [1]
    for at in range(6, 16):
        book.add(lost(at=at))
    assert book.events(now=11) == []
    told = book.events(now=10 + MINUTE)
    assert [(one.count, one.from_, one.to) for one in told] == [(10, 6, 15)]


def test_at_the_end_all_is_told() -> None:
    book = LossBook()
    book.add(lost())
    book.events(now=10)
    book.add(lost())
    assert [one.count for one in book.events(now=11, all_of_them=True)] == [1]


def test_the_top_producers_and_the_remedy_are_named() -> None:
    book = LossBook()
    for exe, times in (("/bin/a", 5), ("/bin/b", 9), ("/bin/c", 1), ("/bin/d", 2)):
        for _ in range(times):
            book.add(lost(producer=exe, suggestion="raise it"))
    told = book.events(now=1)[0]
    assert told.top == {"/bin/b": 9, "/bin/a": 5, "/bin/d": 2}
    assert told.suggestion == "raise it"


def test_what_was_told_is_signed_with_counts_by_class() -> None:
    book = LossBook()
    book.add(lost(kind="process.exec", count=3, at=5))
    book.add(lost(kind="process.exit", count=4, at=9))
    book.events(now=10)
    signed = book.take()
    assert signed == (statement.Loss("watch: queue", 5, 9, {"process.exec": 3, "process.exit": 4}),)
    assert book.take() == ()
    book.sign(signed)
    book.sign(signed)
    assert book.take()[0].counts == {"process.exec": 6, "process.exit": 8}


def test_an_unknown_count_stays_unknown() -> None:
    book = LossBook()
    book.add(lost(count=None))
    assert book.events(now=1)[0].count is None


def test_a_producers_name_is_bounded() -> None:
    book = LossBook()
    book.add(lost(producer="/" + "x" * 5000))
    assert [len(name) for name in book.events(now=1)[0].top or {}] == [300]


@given(
    st.lists(st.tuples(st.text(max_size=200), st.text(max_size=200), st.integers(0, 1 << 40)), max_size=200)
)
def test_memory_and_statements_stay_bounded_and_nothing_is_forgotten(
    items: list[tuple[str, str, int]],
) -> None:
    book = LossBook()
    for cause, kind, count in items:
        book.add(Lost("s", cause, count, 1, 2, kind=kind, producer=kind))
    told = book.events(now=MINUTE, all_of_them=True)
    assert len(told) <= 33
    assert sum(one.count or 0 for one in told) == sum(count for *_, count in items)
    signed = 0
    while taken := book.take():
        assert len(msgspec.json.encode(taken)) <= 2048
        signed += sum(sum(one.counts.values()) for one in taken)
    assert not book.pending
    assert signed == sum(count for *_, count in items)
