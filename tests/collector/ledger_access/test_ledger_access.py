"""The ledger behaves the same through its owner's socket and opened here; its parsers take any bytes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.ledger.reader import LedgerReader
from collector.ledger_access import ledger_call, ledger_client
from collector.ledger_access.ledger_client import LedgerAccess
from evidence import checkpoint, entry, receipt
from evidence.decision import Setting
from evidence.entry import EntryType
from evidence.errors import CodecError, EvidenceError
from evidence.kinds.collector import Act
from tests.collector.served import serve
from tests.collector.station import Station


@pytest.fixture(params=["here", "socket"])
def ledger(request: pytest.FixtureRequest, station: Station) -> Iterator[LedgerAccess]:
    with serve(station) if request.param == "socket" else contextlib.nullcontext():
        access = ledger_client.connect(station.settings)
        yield access
        access.close()


def setting(value: str) -> bytes:
    return msgspec.json.encode(Setting("threshold", value, 1, "ann", "because"))


def test_an_entry_is_durable_when_its_receipt_comes(ledger: LedgerAccess, station: Station) -> None:
    payload = setting("5")
    got = ledger.append(EntryType.SETTING, payload)
    receipt.check(got, entry.encode(EntryType.SETTING, payload), station.verifier, None)
    (item,) = LedgerReader(station.paths.ledger).items(got.index, 1)
    assert (item.type, item.payload, item.data) == (EntryType.SETTING, payload, b"")


def test_an_act_is_sealed_and_durable(ledger: LedgerAccess, station: Station) -> None:
    got = ledger.record(Act(user="ann", verb="query", detail={"sql": "SELECT 1"}))
    (item,) = LedgerReader(station.paths.ledger).items(got.index, 1)
    assert item.type is EntryType.ACT
    assert item.data


def test_a_wrong_entry_changes_nothing(ledger: LedgerAccess, station: Station) -> None:
    before = ledger.checkpoint()
    with pytest.raises(CodecError):
        ledger.append(EntryType.SETTING, b"{}")
    with pytest.raises(EvidenceError):
        ledger.append(EntryType.SETTING, setting("x" * 4097))
    assert ledger.checkpoint() == before
    checkpoint.verify_note(before, station.verifier)


def test_a_huge_act_is_refused(ledger: LedgerAccess) -> None:
    with pytest.raises(EvidenceError):
        ledger.record(Act(user="ann", verb="query", detail={"sql": "x" * (17 << 20)}))


def test_many_threads_share_one_connection(station: Station) -> None:
    with serve(station):
        ledger = ledger_client.connect(station.settings)
        indices: list[int] = []

        def work() -> None:
            indices.extend(ledger.record(Act(user="ann", verb="query")).index for _ in range(5))

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ledger.close()
    assert sorted(indices) == list(range(1, 31))


def test_a_reader_wakes_when_the_ledger_grows(station: Station) -> None:
    ledger = ledger_client.connect(station.settings)
    reader = LedgerReader(station.paths.ledger)
    assert reader.wait(1, 0.01) == 1
    writer = threading.Timer(0.05, lambda: ledger.record(Act(user="ann", verb="query")))
    writer.start()
    assert reader.wait(1, 20.0) == 2
    writer.join()
    ledger.close()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_the_socket_takes_any_bytes(raw: bytes) -> None:
    for read in (ledger_call.read_call, ledger_call.read_answer):
        with contextlib.suppress(CodecError):
            read(raw)


def test_calls_round_trip() -> None:
    call = ledger_call.Append(EntryType.SETTING, b"\x00payload")
    assert ledger_call.read_call(ledger_call.frame(call)[4:]) == call
    record = ledger_call.Record(Act(user="ann", verb="query"))
    assert ledger_call.read_call(ledger_call.frame(record)[4:]) == record
    with pytest.raises(CodecError, match="at most"):
        ledger_call.frame(ledger_call.Append(EntryType.SETTING, bytes(2 << 20)))
