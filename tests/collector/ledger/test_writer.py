"""The ledger keeps what it answered for, through crashes, full disks and restarts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import LedgerError, LedgerFull
from collector.ledger import layout, segment
from collector.ledger.disk import Disk
from collector.ledger.reader import LedgerReader
from collector.ledger.segment import Row, row
from collector.ledger.writer import Ledger
from evidence import entry, receipt
from evidence.checkpoint import VerifierKey
from evidence.entry import EntryType
from evidence.keys import PrivateKey

from .crashing import CrashingDisk, PowerCut, Unsynced
from .full import FullDisk

KEY = PrivateKey(b"\x01" * 32)
ORIGIN = "test.local/log"
VERIFIER = VerifierKey(ORIGIN, KEY.public)


def make_row(number: int) -> Row:
    return row(
        entry.encode(EntryType.BATCH, b"entry %d" % number), 1000 + number, b"d" * (number % 40) or b""
    )


def open_ledger(folder: Path, disk: Disk | None = None) -> Ledger:
    return Ledger(folder, KEY, ORIGIN, disk=disk)


def test_reader_gives_back_what_was_appended(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    rows = [make_row(number) for number in range(600)]
    ledger.append(rows[:1])
    reader = LedgerReader(tmp_path)
    assert [item.index for item in reader.items(0, 100)] == [0]
    ledger.append(rows[1:])
    items = list(reader.items(0, 10_000))
    assert [(item.index, item.payload, item.data, item.received) for item in items] == [
        (index, row.entry[1:], row.data, row.received) for index, row in enumerate(rows)
    ]
    assert [item.index for item in reader.items(300, 5)] == [300, 301, 302, 303, 304]
    assert [item.index for item in reader.items(10, 2)] == [10, 11]
    assert list(reader.items(600, 5)) == []
    assert ledger.entry(17) == rows[17].entry


def test_groups_cross_segments(tmp_path: Path) -> None:
    rows = [make_row(number) for number in range(2 * layout.SEGMENT + 5)]
    ledger = open_ledger(tmp_path)
    for start in range(0, len(rows), 1500):
        ledger.append(rows[start : start + 1500])
    root = ledger.checkpoint.root
    ledger.close()
    again = open_ledger(tmp_path)
    assert (again.size, again.checkpoint.root) == (len(rows), root)
    again.append([make_row(0)])
    reader = LedgerReader(tmp_path)
    assert sum(1 for _ in reader.items(0, 1 << 30)) == len(rows) + 1


class ForgetfulDisk(Disk):
    """Notes which bytes are let go from the page cache."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: list[tuple[int, int]] = []

    def uncache(self, file: int, offset: int, length: int) -> None:
        super().uncache(file, offset, length)
        self.gone.append((offset, length))


def test_only_the_newest_data_stays_in_the_page_cache(tmp_path: Path) -> None:
    disk = ForgetfulDisk()
    ledger = open_ledger(tmp_path, disk)
    rows = [row(b"\x01entry %d" % number, number, bytes([number]) * (1 << 20)) for number in range(44)]
    for one in rows:
        ledger.append([one])
    starts, lengths = zip(*disk.gone, strict=True)
    assert list(starts) == [sum(lengths[:at]) for at in range(len(lengths))]
    size = (tmp_path / layout.data_name(0)).stat().st_size
    assert segment.CACHED <= size - sum(lengths) < segment.CACHED + (6 << 20)
    read = LedgerReader(tmp_path).items(0, 100)
    assert [item.data for item in read] == [one.data for one in rows]


def test_reopens_at_a_segment_boundary(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.append([make_row(number) for number in range(layout.SEGMENT)])
    ledger.close()
    again = open_ledger(tmp_path)
    assert again.append([make_row(1)]) == layout.SEGMENT
    again.close()
    assert open_ledger(tmp_path).size == layout.SEGMENT + 1


def test_receipts_prove_inclusion_and_growth(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    known = None
    for number in range(40):
        index = ledger.append([make_row(number), make_row(number + 1000)])
        answer = ledger.receipt(index, known.size if known else 0)
        known = receipt.check(answer, make_row(number).entry, VERIFIER, known)
    assert known is not None
    assert known.size == 80


def test_a_size_the_ledger_never_had_gets_no_consistency_proof(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.append([make_row(0)])
    answer = ledger.receipt(0, 99)
    assert (answer.old_size, answer.consistency) == (0, ())


def test_one_owner_at_a_time(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    with pytest.raises(LedgerError, match="in use"):
        open_ledger(tmp_path)
    ledger.close()
    open_ledger(tmp_path).close()


def test_visit_sees_every_entry_once(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.append([make_row(number) for number in range(10)])
    ledger.close()
    seen: list[tuple[int, bytes]] = []
    Ledger(tmp_path, KEY, ORIGIN, lambda index, found: seen.append((index, found))).close()
    assert seen == [(number, make_row(number).entry) for number in range(10)]


def damaged(folder: Path, how: str) -> None:
    entries = folder / layout.entries_name(0)
    raw = bytearray(entries.read_bytes())
    if how == "shorter":
        entries.write_bytes(raw[:-5])
    elif how == "flipped":
        raw[40] ^= 1
        entries.write_bytes(raw)
    elif how == "no entries":
        entries.unlink()
    elif how == "no checkpoint":
        (folder / layout.SLOTS).unlink()
    elif how == "checkpoints zeroed":
        (folder / layout.SLOTS).write_bytes(bytes(8192))
        (folder / layout.PUBLISHED).unlink()
    elif how == "no data":
        (folder / layout.data_name(0)).unlink()
    elif how == "data cut":
        data = folder / layout.data_name(0)
        data.write_bytes(data.read_bytes()[:-1])


@pytest.mark.parametrize(
    "how",
    ["shorter", "flipped", "no entries", "no checkpoint", "checkpoints zeroed", "no data", "data cut"],
)
def test_a_damaged_ledger_refuses_to_serve_and_names_fsck(tmp_path: Path, how: str) -> None:
    ledger = open_ledger(tmp_path)
    ledger.append([make_row(number) for number in range(20)])
    ledger.close()
    damaged(tmp_path, how)
    with pytest.raises(LedgerError, match="vedette-collector fsck"):
        open_ledger(tmp_path)


def test_another_key_does_not_open_it(tmp_path: Path) -> None:
    open_ledger(tmp_path).close()
    with pytest.raises(LedgerError, match="checkpoint of this ledger's key"):
        Ledger(tmp_path, PrivateKey(b"\x02" * 32), ORIGIN)


@pytest.mark.parametrize("slot", [0, 4096])
def test_a_torn_newest_slot_leaves_the_one_before(tmp_path: Path, slot: int) -> None:
    ledger = open_ledger(tmp_path)
    ledger.append([make_row(0)])
    ledger.append([make_row(1)])
    ledger.close()
    slots = tmp_path / layout.SLOTS
    raw = slots.read_bytes()
    newest = int(raw[slot:].split(b"\n")[1])
    slots.write_bytes(raw[: slot + 20] + b"\xff" * 60 + raw[slot + 80 :])
    shown = tmp_path / layout.PUBLISHED
    note = shown.read_bytes()
    shown.write_bytes(note[:30] + b"\xff" * 60)
    assert open_ledger(tmp_path).size == (1 if newest == 2 else 2)


def test_a_slot_that_rots_after_the_answer_costs_nothing(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.append([make_row(0)])
    ledger.close()
    (tmp_path / layout.SLOTS).write_bytes(bytes(8192))
    again = open_ledger(tmp_path)
    assert again.append([make_row(1)]) == 1
    again.close()
    assert open_ledger(tmp_path).size == 2


@pytest.mark.parametrize("start", [3, layout.SEGMENT - 2])
def test_a_full_disk_loses_nothing_and_recovers(tmp_path: Path, start: int) -> None:
    disk = FullDisk()
    ledger = open_ledger(tmp_path, disk)
    ledger.append([make_row(number) for number in range(start)])
    disk.room = 10
    for _ in range(2):
        with pytest.raises(LedgerFull, match="No space left"):
            ledger.append([make_row(start), make_row(start + 1), make_row(start + 2)])
    assert ledger.size == start
    disk.room = None
    assert ledger.append([make_row(start + number) for number in range(5)]) == start
    ledger.close()
    assert open_ledger(tmp_path).size == start + 5
    payloads = [item.payload for item in LedgerReader(tmp_path).items(0, 1 << 30)]
    assert payloads == [make_row(number).entry[1:] for number in range(start + 5)]


class FailingSync(Disk):
    def __init__(self) -> None:
        super().__init__()
        self.failing = False

    def sync(self, file: int) -> None:
        if self.failing:
            raise OSError(5, "Input/output error")
        super().sync(file)


def test_after_a_failed_sync_nothing_more_is_accepted(tmp_path: Path) -> None:
    disk = FailingSync()
    ledger = open_ledger(tmp_path, disk)
    ledger.append([make_row(0)])
    disk.failing = True
    with pytest.raises(LedgerError, match="Input/output"):
        ledger.append([make_row(1)])
    disk.failing = False
    with pytest.raises(LedgerError, match="opened again"):
        ledger.append([make_row(1)])
    ledger.close()
    assert open_ledger(tmp_path).size == 1


def run_until_cut(folder: Path, disk: CrashingDisk, sizes: Sequence[int]) -> int:
    """Append groups until the power goes, and return how many entries were answered for."""
    answered = 0
    try:
        ledger = open_ledger(folder, disk)
        answered = ledger.size
        for size in sizes:
            ledger.append([make_row(number) for number in range(answered, answered + size)])
            answered += size
    except PowerCut:
        pass
    disk.release()
    return answered


def check_after_cut(folder: Path, answered: int) -> None:
    """What was answered for is there once, and the ledger goes on."""
    ledger = open_ledger(folder)
    assert ledger.size >= answered
    ledger.append([make_row(ledger.size)])
    count = ledger.size
    ledger.close()
    items = list(LedgerReader(folder).items(max(0, answered - 9), 1 << 30))
    assert [item.payload for item in items] == [
        make_row(number).entry[1:] for number in range(max(0, answered - 9), count)
    ]


@pytest.mark.parametrize("unsynced", ["lost", "torn", "kept"])
@pytest.mark.parametrize("there", [0, layout.SEGMENT - 2])
def test_power_cut_at_every_step(tmp_path: Path, unsynced: Unsynced, there: int) -> None:
    base = tmp_path / "base"
    ledger = open_ledger(base)
    if there:
        ledger.append([make_row(number) for number in range(there)])
        ledger.close()
    else:
        ledger.close()
        shutil.rmtree(base)
        base.mkdir()
    sizes = [1, 4, 2]
    shutil.copytree(base, tmp_path / "whole")
    whole = CrashingDisk(-1, unsynced)
    assert run_until_cut(tmp_path / "whole", whole, sizes) == there + 7
    assert whole.steps > 30
    for at in range(whole.steps):
        folder = tmp_path / f"cut-{at}"
        shutil.copytree(base, folder)
        check_after_cut(folder, run_until_cut(folder, CrashingDisk(at, unsynced), sizes))
        shutil.rmtree(folder)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 60_000), max_size=20), st.binary(max_size=100))
def test_entry_framing_round_trips_and_stops_at_a_torn_end(lengths: list[int], torn: bytes) -> None:
    entries = [bytes([length % 251]) * length for length in lengths]
    raw = b"".join(layout.frame_entry(one) for one in entries)
    assert [one for _, one in layout.walk_entries(raw)] == entries
    found = [one for _, one in layout.walk_entries(raw + torn)]
    assert found[: len(entries)] == entries


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=64))
def test_a_header_is_read_or_refused(raw: bytes) -> None:
    header = layout.read_header(raw)
    assert (header is None) == (len(raw) < layout.RECORD_HEADER or raw[:4] != b"VDR1")
