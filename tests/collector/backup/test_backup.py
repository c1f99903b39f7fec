"""Backup and restore: whole or not at all, wherever a kill hits; nothing damaged is restored."""

from __future__ import annotations

import fcntl
import io
import os
import signal
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector import cli, provision
from collector.audit import inspection
from collector.backup import backing_up, backup_file, restoring
from collector.backup.restoring import NewLog
from collector.errors import BackupError, NotSetUp
from collector.ledger import segment
from collector.ledger_access import log_name
from collector.paths import Paths
from collector.settings import Settings
from collector.state_db import StateDb
from collector.users import Role, Users
from evidence import entry
from evidence.checkpoint import parse_vkey
from evidence.entry import EntryType
from tests.collector.station import Station

NEW = NewLog("new.example/log", "alice", "test")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Station, Path]:
    """Return a collector with a few entries, and a backup of it."""
    root = tmp_path_factory.mktemp("backup")
    station = Station(root / "state")
    keeper = station.keeper()
    host = station.enrol(keeper, root)
    for _ in range(3):
        sealed = host.batch()
        raw = entry.encode(EntryType.BATCH, sealed.envelope)
        keeper.ledger.append([segment.row(raw, time.time_ns(), sealed.data)])
    keeper.close()
    Users(StateDb(station.paths.state_db)).add("alice", "a very long password", Role.ADMIN, 1)
    config = root / "collector.toml"
    config.write_text("[pipeline]\nmerge_seconds = 7\n")
    backing_up.back_up(station.paths, config, root / "backup", 5)
    return station, root / "backup"


def restore(backup: Path, root: Path, step: Any = lambda _: None) -> None:
    with backup.open("rb") as source:
        restoring.restore(source, root, NEW, step)


def sound(root: Path) -> inspection.Report:
    return inspection.inspect(Paths(root).ledger, None, lambda _done, _all: None)


def test_what_was_backed_up_is_there_under_a_new_name(made: tuple[Station, Path], tmp_path: Path) -> None:
    station, backup = made
    root = tmp_path / "restored"
    restore(backup, root)
    before, after = sound(station.paths.root), sound(root)
    assert after.sound, after.problems
    assert (after.origin, after.size) == ("new.example/log", before.size + 2)
    assert after.entries["successor"] == 1
    assert log_name.read(Paths(root), Settings()).joins == (before.size,)
    assert [row.name for row in Users(StateDb(Paths(root).state_db)).rows()] == ["alice"]
    key = parse_vkey(provision.ledger_key(Settings(state=root), Paths(root)))
    assert (key.name, key.public) == ("new.example/log", station.verifier.public)
    assert {path.stat().st_mode & 0o077 for path in root.rglob("*")} <= {0, 0o055}
    with backup.open("rb") as source:
        assert restoring.look(source)[1] == {"collector.toml": b"[pipeline]\nmerge_seconds = 7\n"}


def test_a_restored_ledger_can_be_backed_up_and_restored_again(
    made: tuple[Station, Path], tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    restore(made[1], first)
    backing_up.back_up(Paths(first), tmp_path / "none.toml", tmp_path / "again", 6)
    with (tmp_path / "again").open("rb") as source:
        restoring.restore(source, second, NewLog("third.example/log", "bob"))
    assert sound(second).sound
    assert len(log_name.joins(Paths(second))) == 2


def killed(work: Any) -> bool:
    """Run work in a child that is to be killed; tell whether it was."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(7)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def kill_at(wanted: int) -> Any:
    """Return a step that kills this process at the wanted one."""
    count = 0

    def step(_name: str) -> None:
        nonlocal count
        count += 1
        if count == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


def test_a_killed_restore_leaves_nothing_or_a_whole(made: tuple[Station, Path], tmp_path: Path) -> None:
    steps: list[str] = []
    restore(made[1], tmp_path / "counted", steps.append)
    assert steps[:4] == ["begun", "unpacked", "verified", "new log"]
    for number in range(1, len(steps) + 1):
        root = tmp_path / str(number)
        assert killed(lambda root=root, number=number: restore(made[1], root, kill_at(number))), steps[
            number - 1
        ]
        paths = Paths(root)
        if paths.identity.exists():
            assert steps[number - 1] == "moved identity.json"
            assert sound(root).sound
            continue
        with pytest.raises(NotSetUp, match="restore"):
            provision.provision(Settings(state=root), paths, 1)
        restore(made[1], root)
        assert sound(root).sound
        assert not paths.restoring.exists()


def test_a_killed_backup_leaves_nothing(
    made: tuple[Station, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, real = made[0].paths, os.fsync
    for number in range(1, 3):
        step = kill_at(number)
        monkeypatch.setattr(os, "fsync", lambda file, step=step: (step("sync"), real(file))[1])
        was = killed(lambda: backing_up.back_up(paths, tmp_path / "none", tmp_path / "backup", 5))
        assert was is ((tmp_path / "backup").exists() or number == 1)
        if (tmp_path / "backup").exists():
            with (tmp_path / "backup").open("rb") as source:
                restoring.look(source)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_every_flipped_byte_of_a_backup_is_found(made: tuple[Station, Path], at: float, change: int) -> None:
    raw = bytearray(made[1].read_bytes())
    place = int(at * len(raw))
    raw[place] ^= change
    try:
        restoring.look(io.BytesIO(bytes(raw)))
    except (BackupError, OSError):
        return
    good = io.BytesIO(made[1].read_bytes())
    seen: list[tuple[str, bytes]] = []
    same: list[tuple[str, bytes]] = []
    backup_file.read(io.BytesIO(bytes(raw)), lambda name, _, content: seen.append((name, content.read())))
    backup_file.read(good, lambda name, _, content: same.append((name, content.read())))
    assert seen == same, "what tar does not check (padding, owner) changes no file"


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.integers(0, 100_000))
def test_what_is_cut_short_is_no_backup(made: tuple[Station, Path], length: int) -> None:
    raw = made[1].read_bytes()
    manifest_end = raw.rindex(b"\n", 0, len(raw.rstrip(b"\0"))) + 1
    with pytest.raises(BackupError):
        restoring.look(io.BytesIO(raw[: length % (manifest_end - 1)]))


@pytest.mark.parametrize(
    "name", ["../etc/passwd", "/etc/passwd", "keys/../../x", "ledger/entries/1", "x", "settings/a"]
)
def test_a_file_that_no_backup_has_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "evil"
    with tarfile.open(file, "w") as tar:
        info = tarfile.TarInfo(name)
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    with file.open("rb") as source, pytest.raises(BackupError, match="no file of a backup"):
        restoring.look(source)
    with tarfile.open(file, "w") as tar:
        link = tarfile.TarInfo("identity.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with file.open("rb") as source, pytest.raises(BackupError, match="no file of a backup"):
        restoring.look(source)


def test_what_a_killed_backup_left_goes_with_the_next_one_and_a_running_ones_file_stays(
    tmp_path: Path,
) -> None:
    left, running = (tmp_path / f".{name}.vedette-partial" for name in ("killed", "running"))
    left.write_bytes(b"half")
    with running.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with backup_file.whole(tmp_path / "next") as out, backup_file.whole(tmp_path / "other"):
            out.write(b"all")
            assert len(list(tmp_path.glob(".next.*"))) == 1
        assert not left.exists()
        assert running.exists()
    assert (tmp_path / "next").read_bytes() == b"all"


def test_nothing_is_restored_over_anything(made: tuple[Station, Path], tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("x")
    with pytest.raises(BackupError, match="not empty"):
        restore(made[1], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    with pytest.raises(BackupError, match="was set up here"):
        restore(made[1], made[0].paths.root)
    with pytest.raises(BackupError, match="never replaces"):
        backing_up.back_up(made[0].paths, tmp_path / "none", made[1], 5)
    assert [path.name for path in made[1].parent.glob(".*")] == []


def test_the_commands_say_what_to_type_next(
    made: tuple[Station, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "collector.toml"
    config.write_text(f'state = "{tmp_path}/state"\n')
    here = ("--config", str(config))
    assert cli.main(["backup", "--to", str(tmp_path), *here]) == 3
    assert "vedette-collector setup" in capsys.readouterr().err
    assert cli.main(["restore", "--from", str(made[1]), "--origin", "n.example/log", *here]) == 0
    out = capsys.readouterr().out
    assert "new log n.example/log" in out
    assert "Next: `vedette-collector serve`" in out
    assert cli.main(["backup", "--to", str(tmp_path), *here]) == 0
    assert len(list(tmp_path.glob("vedette-*.backup"))) == 1
