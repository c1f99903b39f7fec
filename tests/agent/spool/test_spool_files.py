"""The spool's formats under random bytes, and the two disks under one contract."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SpoolError
from agent.shipping.wake import Alarm
from agent.spool import accounts, cipher, heads, inbox, progress, record, segment
from agent.spool.accounts import Accounts
from agent.spool.disk import Disk, LocalDisk
from agent.spool.heads import Heads, Mark
from agent.spool.progress import Acked, Progress
from evidence.statement import Dropped, Head, Loss, Seen
from tests.agent.chain import AGENT, ENTRY
from tests.agent.fake_disk import FakeDisk

MAGIC = b"TEST"
bodies = st.lists(st.binary(max_size=80), min_size=1, max_size=8)


@given(bodies)
def test_records_round_trip(items: list[bytes]) -> None:
    raw = b"".join(record.encode(MAGIC, at, body) for at, body in enumerate(items))
    found = list(record.scan(raw, MAGIC))
    assert [(one.number, one.body) for one in found if isinstance(one, record.Record)] == list(
        enumerate(items)
    )


@given(bodies, st.data())
def test_one_flipped_bit_costs_one_record_and_is_reported(items: list[bytes], data: st.DataObject) -> None:
    parts = [record.encode(MAGIC, at, body) for at, body in enumerate(items)]
    raw = bytearray(b"".join(parts))
    at = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[at // 8] ^= 1 << at % 8
    found = list(record.scan(bytes(raw), MAGIC))
    hit = next(n for n in range(len(parts)) if at // 8 < sum(map(len, parts[: n + 1])))
    kept = {one.number: one.body for one in found if isinstance(one, record.Record)}
    assert {n: items[n] for n in range(len(items)) if n != hit}.items() <= kept.items()
    assert any(isinstance(one, record.Gap) for one in found)


@given(st.binary(max_size=300))
def test_scan_accounts_for_every_byte_of_anything(raw: bytes) -> None:
    sizes = [
        one.length if isinstance(one, record.Gap) else record.OVERHEAD + len(one.body)
        for one in record.scan(raw, MAGIC)
    ]
    assert sum(sizes) == len(raw)


def some_heads(seq: int) -> Heads:
    return Heads(AGENT, 1, Mark(Head(seq, ENTRY), 0), Mark(Head(0, ENTRY)), event_seq=seq)


@given(st.integers(1, 1000), st.data())
def test_a_torn_heads_slot_leaves_the_one_before(generation: int, data: st.DataObject) -> None:
    raw = bytearray(2 * heads.SLOT)
    for at in (generation, generation + 1):
        offset, slot = heads.encode(some_heads(at), at)
        raw[offset : offset + heads.SLOT] = slot
    assert heads.decode(bytes(raw)) == (some_heads(generation + 1), generation + 1)
    offset, slot = heads.encode(some_heads(generation + 2), generation + 2)
    torn = data.draw(st.integers(1, len(slot.rstrip(b"\0")) - 1))
    raw[offset : offset + torn] = slot[:torn]
    found = heads.decode(bytes(raw))
    assert found is not None
    whole = raw[offset : offset + heads.SLOT] == slot
    assert found[1] == (generation + 2 if whole else generation + 1)


def test_the_largest_heads_fit_their_slot() -> None:
    most = (1 << 63) - 1
    mark = Mark(Head(most, "f" * 64), most)
    _, slot = heads.encode(Heads(AGENT, most, mark, mark, most, most), most)
    assert len(slot) == heads.SLOT


@given(st.binary(max_size=200))
def test_no_bytes_break_a_parser(raw: bytes) -> None:
    heads.decode(raw)
    for parse in (inbox.decode, progress.decode):
        with contextlib.suppress(SpoolError):
            parse(raw)
    with contextlib.suppress(SpoolError):
        segment.decode_statement(record.Record(0, 1, raw))
    with contextlib.suppress(SpoolError):
        cipher.unwrap(raw, b"k" * 32, "name")


@given(st.text(max_size=40))
def test_no_file_name_breaks_it(text: str) -> None:
    name = segment.parse_name(text)
    assert name is None or str(name) == text


def test_an_oversized_delivery_is_refused() -> None:
    with pytest.raises(SpoolError, match="more than"):
        inbox.decode(b" " * (inbox.FILE_LIMIT + 1))


def test_progress_round_trips() -> None:
    told = Progress(Seen(5, ENTRY), Acked(3, ((5, 6),)), Acked(), frozen=True)
    assert progress.decode(progress.encode(told)) == told
    assert [told.priority.covers(seq) for seq in range(1, 8)] == [True, True, True, False, True, True, False]


@given(st.binary(max_size=100), st.integers(1, 99), st.integers(0, 200))
def test_data_decrypts_only_whole_and_in_its_place(data: bytes, counter: int, at: int) -> None:
    key = bytes(range(32))
    sealed = cipher.encrypt(key, counter, data)
    assert cipher.decrypt(key, counter, sealed) == data
    broken = bytearray(sealed)
    broken[at % len(broken)] ^= 1
    for number, raw in ((counter, bytes(broken)), (counter + 1, sealed)):
        with pytest.raises(SpoolError):
            cipher.decrypt(key, number, raw)


def test_a_wrapped_key_is_bound_to_its_file() -> None:
    wrapped = cipher.wrap(b"s" * 32, b"k" * 32, b"n" * 12, "a.data")
    assert cipher.unwrap(wrapped, b"k" * 32, "a.data") == b"s" * 32
    for key, name in ((b"K" * 32, "a.data"), (b"k" * 32, "b.data")):
        with pytest.raises(SpoolError):
            cipher.unwrap(wrapped, key, name)


ranges = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 10)), max_size=6)


@given(ranges, ranges)
def test_what_is_owed_is_exactly_what_was_dropped_and_not_said(
    gone: list[tuple[int, int]], said: list[tuple[int, int]]
) -> None:
    def dropped(pairs: list[tuple[int, int]]) -> tuple[Dropped, ...]:
        return tuple(Dropped("bulk", first, first + more, "spool_full") for first, more in pairs)

    def numbers(items: tuple[Dropped, ...]) -> list[int]:
        return sorted(seq for one in items for seq in range(one.first, one.last + 1))

    account = Accounts().owe(dropped(gone)).settle(dropped(said), ())
    wanted = set(numbers(dropped(gone))) - set(numbers(dropped(said)))
    assert numbers(account.owed) == sorted(wanted)
    again = account.owe(dropped(said))
    assert set(numbers(again.owed)) == wanted


def test_a_loss_is_owed_once_until_it_is_said() -> None:
    loss = Loss(cause="x")
    account = Accounts().owe_loss(loss).owe_loss(loss)
    assert account.owed_losses == (loss,)
    assert account.settle((), (loss,)).owe_loss(loss).owed_losses == ()
    assert accounts.damage("bulk", 2, 3).counts == {"statements": 2}


@pytest.fixture(params=["local", "fake"])
def disk(request: pytest.FixtureRequest) -> Disk:
    return LocalDisk() if request.param == "local" else FakeDisk()


def test_both_disks_obey_one_contract(disk: Disk, tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    assert disk.names(tmp_path / "absent") == []
    assert disk.size(path) is None
    with pytest.raises(FileNotFoundError):
        disk.read(path, 0, 1)
    assert disk.append(path, b"hello") == 5
    assert disk.append(path, b" world") == 6
    assert disk.write(path, 0, b"J") == 1
    disk.sync(path)
    disk.sync_folder(tmp_path)
    assert disk.read(path, 0, 100) == b"Jello world"
    assert disk.read(path, 6, 3) == b"wor"
    disk.truncate(path, 5)
    assert disk.size(path) == 5
    disk.replace(other, b"new")
    disk.replace(other, b"newer", durable=False)
    assert disk.names(tmp_path) == ["a", "b"]
    disk.rename(other, path)
    assert disk.read(path, 0, 10) == b"newer"
    disk.remove(path)
    disk.remove(path)
    assert disk.names(tmp_path) == []
    assert disk.free(tmp_path) > 0


def test_files_have_their_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        LocalDisk(0o640).append(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_the_local_disk_follows_no_link_and_waits_on_no_pipe(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match=name):
            LocalDisk().read(tmp_path / name, 0, 1)


def test_create_never_replaces(tmp_path: Path) -> None:
    LocalDisk().create(tmp_path / "once", b"1")
    with pytest.raises(FileExistsError):
        LocalDisk().create(tmp_path / "once", b"2")
    assert (tmp_path / "once").read_bytes() == b"1"
    assert [path.name for path in tmp_path.iterdir()] == ["once"]


def test_a_write_in_place_wakes_a_long_sleep(tmp_path: Path) -> None:
    path = tmp_path / "heads"
    path.write_bytes(b"x")
    alarm = Alarm(path)
    alarm.wait(0)
    writer = threading.Timer(0.05, lambda: LocalDisk().write(path, 0, b"y"))
    writer.start()
    alarm.wait(600)
    writer.join()
    alarm.close()


def test_a_sleep_ends_when_another_descriptor_is_readable(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"x")
    alarm = Alarm(tmp_path / "absent")
    alarm.wait(600, (reading,))
    alarm.close()
    os.close(reading)
    os.close(writing)
