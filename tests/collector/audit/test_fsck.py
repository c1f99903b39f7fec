"""fsck finds what was done to the ledger's files, and says expired where an entry says so."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from collector import cli
from collector.audit import inspection
from collector.audit.examiner import Examiner
from collector.audit.inspection import Report
from collector.ledger import layout, segment
from collector.ledger.disk import Disk
from collector.ledger.layout import SEGMENT
from collector.ledger.reader import LedgerReader
from collector.ledger.writer import Ledger
from collector.ledger_access import ledger_client, retention
from collector.ledger_access.keeper import Keeper
from evidence import entry
from evidence.decision import Retention
from evidence.enrolment import RevocationRecord
from evidence.entry import EntryType
from evidence.keys import PrivateKey
from evidence.kinds.collector import Act
from evidence.seal import SealedBatch
from evidence.statement import Dropped, Head, Seen
from tests.collector.front import Front, serving
from tests.collector.ledger.crashing import CrashingDisk, PowerCut, Unsynced
from tests.collector.station import Host, Station

DAY = 86_400 * 1_000_000_000


def config(station: Station) -> str:
    path = station.paths.root / "collector.toml"
    path.write_text(f'state = "{station.paths.root}"\norigin = "{station.settings.origin}"\n')
    return str(path)


def inspect(station: Station) -> Report:
    return inspection.inspect(station.paths.ledger, station.verifier, lambda _done, _of: None)


def put(keeper: Keeper, sealed: SealedBatch, kind: EntryType = EntryType.BATCH) -> None:
    """Append as an administrator could who holds every key: nothing is checked."""
    raw = entry.encode(kind, sealed.envelope)
    keeper.ledger.append([segment.row(raw, time.time_ns(), sealed.data)])


@pytest.fixture
def filled(station: Station, tmp_path: Path) -> Station:
    """A station with two hosts' batches, a fork, given-up data, acts, a revocation."""
    keeper = station.keeper()
    host, other = station.enrol(keeper, tmp_path), station.enrol(keeper, tmp_path)

    async def main() -> None:
        async with serving(Front(station, keeper)) as front:
            for _ in range(4):
                head = keeper.ledger.checkpoint
                await front.send(host, host.batch(seen=Seen(head.size, head.root.hex())))
                await front.send(host, host.batch(lane="priority"))
            lost = other.batch()
            await front.send(other, other.batch(dropped=(Dropped("bulk", 1, 1, "full"),)))
            await front.send(other, lost, data=False)
            await front.send(host, host.batch(host.events(5), after=Head(0, host.anchor)))
            await front.intake.record(Act(user="ann", verb="query"))
            record = RevocationRecord(agent=other.agent, epoch=None, time=1, author="ann", reason="gone")
            await front.intake.append(EntryType.REVOCATION, msgspec.json.encode(record))

    asyncio.run(main())
    keeper.close()
    return station


def test_a_good_ledger_is_sound(filled: Station, capsys: pytest.CaptureFixture[str]) -> None:
    report = inspect(filled)
    assert report.problems == ()
    assert report.entries == {
        "enrolment": 3, "batch": 10, "equivocation": 1, "act": 1, "revocation": 1
    }  # fmt: skip
    assert cli.main(["fsck", "--config", config(filled)]) == 0
    told = capsys.readouterr().out
    assert "bulk 1: two statements, both kept" in told
    assert told.endswith("sound\n")
    assert cli.main(["fsck", "--json", "--key", str(filled.verifier), "--config", config(filled)]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["sound"] is True


def flip(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


def entries(station: Station) -> Path:
    return station.paths.ledger / layout.entries_name(0)


def data(station: Station) -> Path:
    return station.paths.ledger / layout.data_name(0)


def cut(path: Path, count: int) -> None:
    path.write_bytes(path.read_bytes()[:-count])


DAMAGE: dict[str, tuple[Callable[[Station], None], str]] = {
    "entry flipped": (lambda one: flip(entries(one), 3000), "do not lead to the root"),
    "entries cut": (lambda one: cut(entries(one), 9), "are missing"),
    "entries gone": (lambda one: entries(one).unlink(), "are missing"),
    "data flipped": (lambda one: flip(data(one), -3), "damaged"),
    "data header flipped": (lambda one: flip(data(one), 1), "data of entries 0 to 0 is missing or damaged"),
    "receive time flipped": (lambda one: flip(data(one), 14), "data or receive time is damaged"),
    "data cut": (lambda one: cut(data(one), 3), "damaged"),
    "data gone": (lambda one: data(one).unlink(), "no retention entry says so"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_found_and_named(filled: Station, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    damage, told = DAMAGE[what]
    damage(filled)
    assert cli.main(["fsck", "--config", config(filled)]) == 1
    out = capsys.readouterr().out
    assert told in out
    assert "NOT SOUND" in out


def test_every_flipped_byte_of_entries_and_data_is_found(filled: Station) -> None:
    for path in (entries(filled), data(filled)):
        raw = path.read_bytes()
        for at in range(0, len(raw), 97):
            flip(path, at)
            assert not inspect(filled).sound, (path, at)
            path.write_bytes(raw)
    assert inspect(filled).sound


def test_another_key_is_no_ledger_of_ours(filled: Station, capsys: pytest.CaptureFixture[str]) -> None:
    key = str(filled.verifier).replace("+", "+0", 1)
    assert cli.main(["fsck", "--key", key, "--config", config(filled)]) == 2
    assert "verifier key" in capsys.readouterr().err


def test_what_an_administrator_with_every_key_appends_is_seen_through(
    station: Station, tmp_path: Path
) -> None:
    keeper = station.keeper()
    host = station.enrol(keeper, tmp_path)
    first = host.batch()
    put(keeper, first)
    put(keeper, first)
    put(keeper, Host(host.agent, PrivateKey(b"f" * 32), host.anchor, host.pem).batch())
    host.heads["bulk"] = Head(1, "0" * 64)
    put(keeper, host.batch())
    put(keeper, host.batch(seen=Seen(2, "1" * 64)))
    put(keeper, host.batch(seen=Seen(99, "1" * 64)))
    put(keeper, host.batch(lane="priority"), EntryType.EQUIVOCATION)
    undue = host.batch()
    put(keeper, SealedBatch(undue.statement, undue.digest, undue.envelope, b""))
    other = host.batch()
    put(keeper, SealedBatch(other.statement, other.digest, other.envelope, first.data))
    record = RevocationRecord(agent=host.agent, epoch=None, time=1, author="ann", reason="gone")
    keeper.append(EntryType.REVOCATION, msgspec.json.encode(record))
    put(keeper, host.batch())
    keeper.close()
    told = [(problem.entry, problem.what) for problem in inspect(station).problems]
    expected = [
        (3, "is entry 2 already"),
        (4, "which no entry before enrolled"),
        (6, "it was rewritten"),
        (7, "the ledger shrank"),
        (8, "of no statement before it"),
        (10, "not what its statement signed"),
        (12, "was revoked by entry 11"),
        (None, "prev is not its predecessor"),
        (9, "never signed that it gave it up"),
    ]
    for index, words in expected:
        assert any(index == at and words in what for at, what in told), (index, words, told)


def test_a_rewritten_ledger_contradicts_the_hosts(filled: Station) -> None:
    """The administrator replaces one batch and rebuilds tree and checkpoint perfectly."""
    raws = [entry.encode(item.type, item.payload) for item in LedgerReader(filled.paths.ledger).items(0, 100)]
    examiner = Examiner()
    for raw in [*raws[:5], raws[0], *raws[6:]]:
        examiner.feed(raw)
    examiner.finish()
    assert any("it was rewritten" in problem.what for problem in examiner.problems)


def aged(folder: Path, station: Station, count: int) -> None:
    """Fill a ledger's first segments with old settings, quickly."""
    signer = PrivateKey(station.paths.ledger_key.read_bytes())
    ledger = Ledger(folder, signer, station.settings.origin)
    setting = {"name": "n", "value": "v", "time": 1, "author": "a", "reason": "r"}
    raw = entry.encode(EntryType.SETTING, msgspec.json.encode(setting))
    for number in range(count):
        rows = [segment.row(raw, number + 1) for _ in range(SEGMENT)]
        ledger.append(rows)
    ledger.close()


def test_retention_deletes_old_data_and_fsck_says_expired(
    station: Station, capsys: pytest.CaptureFixture[str]
) -> None:
    aged(station.paths.ledger, station, 3)
    where = ["--config", config(station)]
    assert cli.main(["retention", "--hold", "5000-5001", "--reason", "case 7", *where]) == 0
    assert cli.main(["retention", "--days", "30", "--dry-run", *where]) == 0
    assert "would delete" in capsys.readouterr().out
    assert (station.paths.ledger / layout.data_name(0)).exists()
    assert cli.main(["retention", "--days", "30", "--reason", "policy", *where]) == 0
    there = [(station.paths.ledger / layout.data_name(number)).exists() for number in range(4)]
    assert there == [True, True, False, True]  # 0 holds the new enrolment, 1 is on hold, 3 is not full
    capsys.readouterr()
    assert cli.main(["fsck", *where]) == 0
    told = capsys.readouterr().out
    assert "data of entries 8192 to 12287: expired by entry" in told
    assert "missing" not in told
    items = list(LedgerReader(station.paths.ledger).items(8190, 4))
    assert [(item.data, item.received) for item in items] == [(b"", 2), (b"", 2), (None, None), (None, None)]
    assert cli.main(["retention", "--release", "5000-5001", "--reason", "closed", *where]) == 0
    assert cli.main(["retention", "--days", "30", "--reason", "policy", *where]) == 0
    assert not (station.paths.ledger / layout.data_name(1)).exists()
    assert cli.main(["fsck", *where]) == 0
    station.keeper().close()


def test_retention_needs_a_reason(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["retention", "--days", "1", "--config", config(station)]) == 2
    assert "--reason is missing" in capsys.readouterr().err


class Interrupted(Disk):
    """Loses power before it deletes."""

    def remove(self, path: Path) -> None:
        raise OSError(5, "power cut", str(path))


def test_a_crash_between_the_entry_and_the_deletion_is_made_good(station: Station) -> None:
    aged(station.paths.ledger, station, 2)
    folder = station.paths.ledger
    said = Retention(first=0, last=0, time=DAY, author="ann", reason="policy")

    def old() -> list[retention.Old]:
        reader = LedgerReader(folder)
        return retention.old_segments(folder, reader.size(), DAY, retention.decided(reader))

    ledger = ledger_client.connect(station.settings)
    with pytest.raises(OSError, match="power cut"):
        retention.expire(ledger, folder, old(), said, Interrupted())
    assert [one.recorded for one in old()] == [True]
    retention.expire(ledger, folder, old(), said, Disk())
    ledger.close()
    assert old() == []
    kinds = [item.type for item in LedgerReader(folder).entries()]
    assert kinds.count(EntryType.RETENTION) == 1


def acting(station: Station, disk: CrashingDisk) -> list[int]:
    """Record acts and an entry until the power goes; return the indices that were answered."""
    answered: list[int] = []
    setting = {"name": "n", "value": "v", "time": 1, "author": "a", "reason": "r"}
    try:
        keeper = station.keeper(disk)
        for number in range(3):
            got = keeper.record(Act(user="ann", verb=f"query {number}"))
            answered += [got.index]
        answered.append(keeper.append(EntryType.SETTING, msgspec.json.encode(setting)).index)
    except PowerCut:
        pass
    disk.release()
    return answered


@pytest.mark.parametrize("unsynced", ["lost", "torn", "kept"])
def test_after_a_power_cut_at_any_step_the_ledger_is_sound_and_its_chain_goes_on(
    station: Station, tmp_path: Path, unsynced: Unsynced
) -> None:
    before = station.paths.root.rename(tmp_path / "before")
    shutil.copytree(before, station.paths.root)
    whole = CrashingDisk(-1, unsynced)
    assert acting(station, whole) == [1, 2, 3, 4]
    for at in range(whole.steps):
        shutil.rmtree(station.paths.root)
        shutil.copytree(before, station.paths.root)
        answered = acting(station, CrashingDisk(at, unsynced))
        keeper = station.keeper()
        assert keeper.ledger.size > max(answered, default=0)
        keeper.record(Act(user="ann", verb="after"))
        keeper.close()
        report = inspect(station)
        assert report.problems == ()
        assert all(not chain.holes and not chain.forked for chain in report.chains)


def test_checkpoint_prints_the_note(filled: Station, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["checkpoint", "--config", config(filled)]) == 0
    assert capsys.readouterr().out.startswith("test.local/log\n16\n")
    assert cli.main(["checkpoint", "--json", "--config", config(filled)]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["key"] == str(filled.verifier)
