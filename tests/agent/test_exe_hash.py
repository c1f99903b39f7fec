"""Hashes of executed files: right, cached, bounded, and never of a file that came later."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from pathlib import Path

from agent import exe_hash
from agent.exe_hash import ExeHasher

NOBODY = (1 << 22) + 1
"""No such pid."""


def hasher() -> ExeHasher:
    return ExeHasher(lambda: 0)


def later() -> int:
    return time.time_ns() + 10**9


def test_a_file_is_hashed_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_bytes(b"abc" * 1_000_000)
    wanted = hashlib.sha256(b"abc" * 1_000_000).hexdigest()
    assert hasher().hash(NOBODY, str(file), later(), on_host=True) == wanted


def test_a_file_changed_since_the_exec_is_not_it(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_bytes(b"abc")
    assert hasher().hash(NOBODY, str(file), file.stat().st_ctime_ns - 1, on_host=True) is None


def test_a_containers_path_is_not_the_hosts(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_bytes(b"abc")
    assert hasher().hash(NOBODY, str(file), later(), on_host=False) is None


def test_a_running_process_is_hashed_through_proc() -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        try:
            found = hasher().hash(child.pid, None, 0, on_host=False)
        finally:
            child.kill()
    assert found == hashlib.sha256(Path("/bin/sleep").read_bytes()).hexdigest()


def test_an_unchanged_file_is_read_once_and_a_changed_one_again(tmp_path: Path) -> None:
    file, mine = tmp_path / "program", hasher()
    file.write_bytes(b"abc")
    first = mine.hash(NOBODY, str(file), later(), on_host=True)
    at = file.stat().st_atime_ns
    os.utime(file, ns=(at, file.stat().st_mtime_ns + 1))
    file.write_bytes(b"abd")
    assert mine.hash(NOBODY, str(file), later(), on_host=True) != first


def test_beyond_the_bytes_a_second_there_is_no_hash(tmp_path: Path) -> None:
    now, mine = 0, ExeHasher(lambda: now)
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(exe_hash.FILE_LIMIT)
    other = tmp_path / "other"
    other.write_bytes(b"x")
    assert mine.hash(NOBODY, str(big), later(), on_host=True) is not None
    assert mine.hash(NOBODY, str(other), later(), on_host=True) is None
    now = 1_000_000_000
    assert mine.hash(NOBODY, str(other), later(), on_host=True) is not None
    assert mine.hash(NOBODY, str(big), later(), on_host=True) is not None, "cached, so it costs nothing"


def test_a_file_above_the_limit_a_pipe_and_nonsense_have_none(tmp_path: Path) -> None:
    huge, pipe = tmp_path / "huge", tmp_path / "pipe"
    with huge.open("wb") as file:
        file.truncate(exe_hash.FILE_LIMIT + 1)
    os.mkfifo(pipe)
    for path in (str(huge), str(pipe), "/no/such", "a\0b", ""):
        assert hasher().hash(NOBODY, path, later(), on_host=True) is None
