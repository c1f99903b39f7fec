"""A cursor is saved late enough, atomically, and read back or not at all."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from agent.cursor_file import CursorFile

S = 1_000_000_000


class Place(msgspec.Struct, frozen=True):
    at: int


def cursor_file(folder: Path) -> CursorFile[Place]:
    return CursorFile(folder / "x.cursor", Place, lag=3.0)


def test_only_what_is_old_enough_is_saved(tmp_path: Path) -> None:
    cursors = cursor_file(tmp_path)
    for second in range(6):
        cursors.offer(Place(second), second * S)
    assert cursor_file(tmp_path).load() == Place(2)


def test_a_clean_stop_saves_the_newest(tmp_path: Path) -> None:
    cursors = cursor_file(tmp_path)
    cursors.offer(Place(1), 0)
    cursors.offer(Place(2), 1)
    cursors.close()
    assert cursor_file(tmp_path).load() == Place(2)


@pytest.mark.parametrize("raw", [b"", b"{", b'{"at":"x"}', b"\xff\xfe", b"[]"])
def test_a_damaged_file_is_no_cursor(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "x.cursor").write_bytes(raw)
    assert cursor_file(tmp_path).load() is None


def test_a_fault_keeps_the_old_cursor_and_is_tried_again(tmp_path: Path) -> None:
    cursors = cursor_file(tmp_path)
    cursors.offer(Place(1), 0)
    cursors.offer(Place(2), 4 * S)
    assert cursor_file(tmp_path).load() == Place(1)
    blocked = tmp_path / "x.new"
    blocked.mkdir()  # the new file cannot be written
    with pytest.raises(OSError, match=r"x\.new"):
        cursors.offer(Place(3), 9 * S)
    assert cursor_file(tmp_path).load() == Place(1)
    blocked.rmdir()
    cursors.offer(Place(4), 14 * S)
    assert cursor_file(tmp_path).load() == Place(3)
