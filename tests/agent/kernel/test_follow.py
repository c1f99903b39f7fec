"""Following a log by name: nothing twice, nothing missed, what is missed is counted."""

from __future__ import annotations

import os
import select
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.kernel.follow import HOLD, LINGER, VERIFY, FollowedFile, Notices, split_lines, split_records


@pytest.fixture
def notices() -> Iterator[Notices]:
    opened = Notices()
    yield opened
    opened.close()


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def readable(notices: Notices) -> bool:
    return bool(select.select([notices.fileno()], [], [], 1)[0])


def test_starts_at_the_end_and_returns_whole_lines(tmp_path: Path, notices: Notices) -> None:
    log = tmp_path / "auth.log"
    append(log, "old\n")
    followed = FollowedFile(log, notices, split_lines)
    append(log, "one\ntw")
    assert readable(notices)
    notices.drain()
    assert followed.read(0) == [b"one"]
    append(log, "o\n")
    assert readable(notices)
    assert followed.read(0) == [b"two"]
    assert followed.losses() == {}


def test_a_file_that_appears_is_read_from_its_beginning(tmp_path: Path, notices: Notices) -> None:
    followed = FollowedFile(tmp_path / "auth.log", notices, split_lines)
    assert followed.read(0) == []
    append(tmp_path / "auth.log", "first\n")
    assert readable(notices)
    assert followed.read(0) == [b"first"]


def test_rename_and_create_loses_nothing(tmp_path: Path, notices: Notices) -> None:
    log = tmp_path / "auth.log"
    append(log, "")
    followed = FollowedFile(log, notices, split_lines)
    append(log, "a\n")
    log.rename(tmp_path / "auth.log.1")
    append(tmp_path / "auth.log.1", "b\n")
    append(log, "c\n")
    assert followed.read(1) == [b"a", b"b", b"c"]
    append(tmp_path / "auth.log.1", "late\n")  # its writer has not noticed yet
    append(log, "d\n")
    assert followed.read(2) == [b"late", b"d"]
    assert followed.read(2 + LINGER) == []
    append(tmp_path / "auth.log.1", "too late\n")
    assert followed.read(3 + LINGER) == []


def test_a_copied_and_cut_log_is_read_on_in_the_copy(tmp_path: Path, notices: Notices) -> None:
    log = tmp_path / "auth.log"
    append(log, "")
    followed = FollowedFile(log, notices, split_lines)
    append(log, "a\n")
    assert followed.read(0) == [b"a"]
    append(log, "b\n")
    shutil.copy(log, tmp_path / "auth.log.1")
    os.truncate(log, 0)
    append(log, "c\n")
    assert followed.read(1) == [b"b", b"c"]
    assert followed.losses() == {}


def test_a_log_cut_without_a_copy_is_a_loss(tmp_path: Path, notices: Notices) -> None:
    log = tmp_path / "auth.log"
    followed = FollowedFile(log, notices, split_lines)
    append(log, "a\n")
    followed.read(0)
    log.write_text("an intruder's longer first line\n")
    assert followed.read(1) == [b"an intruder's longer first line"]
    assert followed.losses() == {"truncated": 1}
    assert followed.losses() == {}


@pytest.mark.parametrize("rotations", [0, 1, 2])
def test_restart_goes_on_behind_the_cursor(tmp_path: Path, notices: Notices, rotations: int) -> None:
    log = tmp_path / "auth.log"
    followed = FollowedFile(log, notices, split_lines)
    append(log, "a\n")
    followed.read(0)
    cursor = followed.cursor()
    followed.close()
    append(log, "b\n")
    expected = [b"b"]
    for number in range(rotations):
        for older in (2, 1):
            path = tmp_path / f"auth.log.{older}"
            if path.exists():
                path.rename(tmp_path / f"auth.log.{older + 1}")
        log.rename(tmp_path / "auth.log.1")
        os.utime(tmp_path / "auth.log.1", (1000 + number, 1000 + number))
        append(log, f"r{number}\n")
        expected.append(f"r{number}".encode())
    again = FollowedFile(log, notices, split_lines, cursor)
    assert again.read(1) == expected
    assert again.losses() == {}


def test_a_log_rotated_away_while_down_is_a_loss(tmp_path: Path, notices: Notices) -> None:
    log = tmp_path / "auth.log"
    followed = FollowedFile(log, notices, split_lines)
    append(log, "a\n")
    followed.read(0)
    cursor = followed.cursor()
    followed.close()
    log.unlink()
    append(log, "new\n")
    again = FollowedFile(log, notices, split_lines, cursor)
    assert again.read(1) == [b"new"]
    assert again.losses() == {"rotated away": 1}


def test_an_endless_line_costs_only_itself(tmp_path: Path, notices: Notices) -> None:
    log = tmp_path / "auth.log"
    followed = FollowedFile(log, notices, split_lines)
    append(log, "a\n" + "x" * 300_000 + "\nb\n")
    assert followed.read(0) == [b"a", b"b"]
    assert followed.losses() == {"overlong": 1}


def test_records_of_fixed_size(tmp_path: Path, notices: Notices) -> None:
    path = tmp_path / "wtmp"
    followed = FollowedFile(path, notices, split_records(4))
    append(path, "aaaabbbbcc")
    assert followed.read(0) == [b"aaaa", b"bbbb"]
    append(path, "cc")
    assert followed.read(0) == [b"cccc"]


def test_a_folder_or_a_pipe_in_its_place_does_not_block(tmp_path: Path, notices: Notices) -> None:
    (tmp_path / "auth.log").mkdir()
    os.mkfifo(tmp_path / "secure")
    for name in ("auth.log", "secure"):
        followed = FollowedFile(tmp_path / name, notices, split_lines)
        assert followed.read(0) == []
        assert followed.losses()["unreadable"] >= 1


def test_a_name_that_is_not_utf8_does_not_stop_the_notices(tmp_path: Path, notices: Notices) -> None:
    log = tmp_path / "auth.log"
    followed = FollowedFile(log, notices, split_lines)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).touch()
    notices.drain()
    append(log, "a\n")
    assert readable(notices)
    assert followed.read(0) == [b"a"]


def lose(log: Path, notices: Notices, unit: int = 0) -> FollowedFile:
    """Return a follower that has read five lines, or records of four bytes."""
    followed = FollowedFile(log, notices, split_records(unit) if unit else split_lines, None, unit)
    if unit:
        append(log, "aaaabbbbccccddddeeee")
    else:
        append(log, "a\nb\nc\nd\ne\n")
    followed.read(0)
    return followed


def shrunk(followed: FollowedFile) -> list[tuple[str, tuple[bytes, ...]]]:
    assert followed.read(1) is not None
    assert followed.shrinks() == [], "it is judged once whoever did it has had the time to end"
    followed.read(1 + HOLD)
    return [(one.how, one.lost) for one in followed.shrinks()]


def test_a_truncated_log_is_told_with_what_it_lost(tmp_path: Path, notices: Notices) -> None:
    log = tmp_path / "auth.log"
    followed = lose(log, notices)
    os.truncate(log, 0)
    assert shrunk(followed) == [("truncated", (b"a", b"b", b"c", b"d", b"e"))]
    append(log, "new\n")
    assert followed.read(2 * HOLD) == [b"new"]
    followed.read(4 * HOLD)
    assert followed.shrinks() == []


def test_lines_taken_out_by_a_copy_are_told_and_the_others_not_read_again(
    tmp_path: Path, notices: Notices
) -> None:
    log = tmp_path / "auth.log"
    followed = lose(log, notices)
    (tmp_path / "sedXYZ").write_text("a\nb\nd\ne\nnew\n")
    (tmp_path / "sedXYZ").rename(log)
    assert followed.read(0) == [b"new"]
    assert shrunk(followed) == [("replaced", (b"c",))]


def test_lines_taken_out_in_place_by_a_slow_writer_are_told(tmp_path: Path, notices: Notices) -> None:
    log = tmp_path / "auth.log"
    followed = lose(log, notices)
    log.write_text("")
    assert followed.read(0) == []
    append(log, "a\nb\n")
    assert followed.read(0) == []
    append(log, "e\nf\n")
    assert followed.read(0) == [b"f"]
    assert shrunk(followed) == [("truncated", (b"c", b"d"))]


def test_a_record_overwritten_in_place_is_told(tmp_path: Path, notices: Notices) -> None:
    wtmp = tmp_path / "wtmp"
    followed = lose(wtmp, notices, 4)
    with wtmp.open("r+b") as file:
        file.seek(8)
        file.write(bytes(4))
    assert followed.read(VERIFY) == []
    assert followed.read(VERIFY + HOLD) == []
    assert [(one.how, one.lost) for one in followed.shrinks()] == [("rewritten", (b"cccc",))]


def test_a_record_cut_out_is_told(tmp_path: Path, notices: Notices) -> None:
    wtmp = tmp_path / "wtmp"
    followed = lose(wtmp, notices, 4)
    wtmp.write_bytes(b"aaaabbbbddddeeee")
    assert followed.read(0) == []
    assert shrunk(followed) == [("truncated", (b"cccc",))]


def test_a_removed_log_is_told_once(tmp_path: Path, notices: Notices) -> None:
    log = tmp_path / "auth.log"
    followed = lose(log, notices)
    log.unlink()
    assert shrunk(followed) == [("removed", (b"a", b"b", b"c", b"d", b"e"))]
    append(log, "new\n")
    assert followed.read(2 * HOLD) == [b"new"]
    followed.read(4 * HOLD)
    assert followed.shrinks() == []


def test_lines_from_before_the_start_are_watched_too(tmp_path: Path, notices: Notices) -> None:
    log = tmp_path / "auth.log"
    append(log, "a\nb\n")
    followed = FollowedFile(log, notices, split_lines)
    (tmp_path / "copy").write_text("b\n")
    (tmp_path / "copy").rename(log)
    assert followed.read(0) == []
    assert shrunk(followed) == [("replaced", (b"a",))]


@pytest.mark.parametrize("how", ["rename", "dateext", "olddir", "copytruncate", "nocreate", "saved by vi"])
def test_a_rotation_and_a_save_are_not_told(tmp_path: Path, notices: Notices, how: str) -> None:
    log = tmp_path / "auth.log"
    followed = lose(log, notices)
    (tmp_path / "old").mkdir()
    rotated = {"dateext": "auth.log-20260101", "olddir": "old/auth.log.1"}.get(how, "auth.log.1")
    if how == "copytruncate":
        shutil.copy(log, tmp_path / rotated)
        os.truncate(log, 0)
    elif how == "saved by vi":
        shutil.copy(log, tmp_path / "auth.log~")
        (tmp_path / "auth.log~").rename(log)
    else:
        log.rename(tmp_path / rotated)
        if how != "nocreate":
            log.touch()
    assert shrunk(followed) == []


def test_a_rotation_that_compresses_at_once_is_marked(tmp_path: Path, notices: Notices) -> None:
    log = tmp_path / "auth.log"
    followed = lose(log, notices)
    log.rename(tmp_path / "auth.log.1")
    log.touch()
    (tmp_path / "auth.log.1.gz").touch()
    (tmp_path / "auth.log.1").unlink()
    followed.read(1)
    followed.read(1 + HOLD)
    assert [(one.how, one.compressed) for one in followed.shrinks()] == [("removed", True)]
