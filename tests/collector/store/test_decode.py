"""Entries → batches: exact bodies, nothing good lost beside what is bad, and no input that raises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.lake import decode
from collector.lake.extract import Opaque
from collector.ledger.reader import LedgerItem
from evidence import codec, frame
from evidence.entry import EntryType
from evidence.errors import EvidenceError
from evidence.event import Event
from evidence.kind import Body

from .workbench import FakeLedger, some_bodies

AGENT = "a" * 32
GOOD = b'{"seq":1,"time":2,"mono":3,"body":{"kind":"agent.stop","reason":"x"}}'


def read(item: LedgerItem) -> tuple[list[Event[Any]], decode.Batch]:
    """Return the events, and what else was read."""
    reading = decode.Reading(item)
    events = [event for part in reading.parts() for event in part]
    return events, reading.batch()


def lines(*raw: bytes, count: int | None = None) -> tuple[list[Event[Any]], decode.Batch]:
    joined = b"\n".join(raw) + b"\n"
    return read(FakeLedger().raw(AGENT, joined, len(raw) if count is None else count))


def test_bodies_are_the_exact_json_of_each_event() -> None:
    ledger = FakeLedger()
    events = ledger.events(AGENT, some_bodies(5))
    raw = codec.encode(events)
    found, batch = read(ledger.raw(AGENT, raw, 5))
    assert (batch.state, found, batch.faults) == ("decoded", events, ())
    assert (b"".join(batch.texts), batch.exact) == (raw, (None,) * 5)


def test_a_large_batch_is_read_in_parts_and_none_is_lost() -> None:
    ledger = FakeLedger()
    events = ledger.events(AGENT, some_bodies(900))
    raw = codec.encode(events)
    bad = raw.replace(b'"time"', b'"tine"', 1).replace(raw.splitlines()[700], b"garbage")
    found, batch = read(ledger.raw(AGENT, raw, 900))
    assert (found, batch.faults, len(batch.texts) > 1) == (events, (), True)
    found, batch = read(ledger.raw(AGENT, bad, 900))
    assert found == [*events[1:700], *events[701:]]
    assert [fault.split(":")[0] for fault in batch.faults] == ["line 1", "line 701"]
    assert len(batch.exact) == 898


@pytest.mark.parametrize(
    ("line", "body"),
    [
        (b'{"body": {"kind":"agent.stop",  "reason":"x"} ,"seq":1,"time":2,"mono":3}',
         b'{"kind":"agent.stop",  "reason":"x"}'),
        (b'{"seq":1,"time":2,"mono":3,"body":{"kind":"agent.stop","reason":"x"},"seq":9}',
         b'{"kind":"agent.stop","reason":"x"}'),
        (b'{"seq":1,"time":2,"mono":3,"body":{"kind":"agent.stop","reason":"x","later":[1]}}',
         b'{"kind":"agent.stop","reason":"x","later":[1]}'),
        (b'{"seq":1,"time":2,"mono":3,"body":{"kind":"new.kind","x":{"y":2}}}',
         b'{"kind":"new.kind","x":{"y":2}}'),
    ],
)  # fmt: skip
def test_foreign_order_duplicates_new_fields_and_new_kinds_keep_their_body(line: bytes, body: bytes) -> None:
    _, batch = lines(GOOD, line)
    assert batch.exact[1] == body
    assert batch.texts[0].splitlines()[1] != line
    assert batch.state == "decoded"


def test_a_kind_of_a_newer_version_is_kept_with_its_name() -> None:
    events, _ = lines(b'{"seq":1,"time":2,"mono":3,"body":{"kind":"new.kind"}}')
    assert events[0].body == Opaque("new.kind")


def test_malformed_lines_cost_no_other_and_are_named() -> None:
    events, batch = lines(GOOD, b"garbage", GOOD, b'{"seq":"x"}')
    assert (batch.state, len(events), len(batch.exact)) == ("partial", 2, 2)
    assert [fault.split(":")[0] for fault in batch.faults] == ["line 2", "line 4"]
    assert lines(b"garbage")[1].state == "undecodable"


def test_stamps_beyond_64_bits_cost_only_their_event() -> None:
    huge = GOOD.replace(b'"time":2', b'"time":%d' % (1 << 70))
    events, batch = lines(GOOD, huge)
    assert (batch.state, len(events), len(batch.exact)) == ("partial", 1, 1)


def test_no_host_records_an_act() -> None:
    act = b'{"seq":9,"time":2,"mono":3,"body":{"kind":"collector.act","user":"admin","verb":"x"}}'
    events, batch = lines(GOOD, act)
    assert (batch.state, len(events)) == ("partial", 1)
    assert "acts, which no host records" in batch.faults[0]


def test_a_wrong_count_is_a_fault() -> None:
    assert lines(GOOD, count=2)[1].faults == ("holds 1 events, the statement says 2",)


def test_dropped_data_is_absent_and_expired_data_too() -> None:
    ledger = FakeLedger()
    assert read(ledger.raw(AGENT, b"", 0, data=b""))[1].state == "absent"


def test_an_equivocation_is_evidence_only() -> None:
    item = FakeLedger().raw(AGENT, GOOD + b"\n", 1, kind=EntryType.EQUIVOCATION)
    events, batch = read(item)
    assert (batch.state, events, batch.faults) == ("evidence", [], ())


def test_an_event_spread_over_lines_is_none() -> None:
    spread = b'{"seq":1,"time":2,"mono":3,"body":{"kind":"agent.stop",\n"reason":"x"}}'
    events, batch = read(FakeLedger().raw(AGENT, spread + b"\n" + GOOD + b"\n", 2))
    assert (batch.state, len(events)) == ("partial", 1)


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_no_data_raises(data: bytes) -> None:
    _, batch = read(FakeLedger().raw(AGENT, b"", 1, data=data or b"x"))
    assert batch.state == "undecodable"


@settings(max_examples=200)
@given(st.data())
def test_mutated_lines_never_raise_and_bodies_stay_aligned(data: st.DataObject) -> None:
    ledger = FakeLedger()
    raw = bytearray(codec.encode(ledger.events(AGENT, some_bodies(4))))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    events, batch = read(ledger.raw(AGENT, bytes(raw), 4))
    text = [line[line.index(b'"body":') + 7 : -1] for line in b"".join(batch.texts).splitlines()]
    for event, exact, canonical in zip(events, batch.exact, text, strict=True):
        kind = json.loads(canonical if exact is None else exact)["kind"]
        assert kind == (event.body.kind if isinstance(event.body, Opaque) else _kind(event.body))


def _kind(body: Body) -> object:
    return body.__struct_config__.tag


@pytest.mark.parametrize("depth", [100_000])
def test_deep_nesting_is_a_fault_of_its_line(depth: int) -> None:
    deep = b'{"seq":1,"time":2,"mono":3,"body":{"kind":"new.kind","x":%s%s}}' % (b"[" * depth, b"]" * depth)
    events, batch = lines(GOOD, deep)
    assert (batch.state, len(events)) == ("partial", 1)


def test_bombs_are_not_opened() -> None:
    ledger = FakeLedger()
    bomb = frame.compress(b"\n" * (17 << 20))
    assert read(ledger.raw(AGENT, b"", 1, data=bomb))[1].state == "undecodable"


def test_an_entry_without_a_statement_is_refused() -> None:
    with pytest.raises(EvidenceError):
        decode.Reading(FakeLedger().append(EntryType.BATCH, b"{}"))
