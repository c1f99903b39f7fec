"""Files are fetched together before they are read, without waiting for any and whatever they are."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from agent.kernel.file_state import read_ahead


def cached(file: Path) -> bool:
    """Return whether the beginning of file is in memory."""
    fd = os.open(file, os.O_RDONLY)
    try:
        return os.preadv(fd, [bytearray(4096)], 0, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False
    finally:
        os.close(fd)


def forget(file: Path) -> None:
    """Write file out and drop it from memory."""
    fd = os.open(file, os.O_RDWR)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def test_the_beginnings_of_files_come_into_memory(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}" for number in range(40)]
    for file in files:
        file.write_bytes(os.urandom(10_000))
        forget(file)
    if any(cached(file) for file in files):
        pytest.skip("this filesystem keeps files in memory")
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        read_ahead(folder, [os.fsencode(file.name) for file in files])
    finally:
        os.close(folder)
    latest = time.monotonic() + 20
    while not all(map(cached, files)):
        assert time.monotonic() < latest
        time.sleep(0.01)


def test_what_is_gone_or_no_file_any_more_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        before = os.listdir("/proc/self/fd")  # noqa: PTH208 - the numbers
        read_ahead(folder, [b"gone", b"fifo", b"link", b"folder", b"file"])
        assert os.listdir("/proc/self/fd") == before  # noqa: PTH208 - as above
    finally:
        os.close(folder)
