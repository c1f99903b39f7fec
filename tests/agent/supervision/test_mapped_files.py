"""What only the start needed is unmapped, and nothing that could not be mapped again as it was."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

import pytest

from agent.supervision import mapped_files
from agent.supervision.mapped_files import MappedFiles

PAGES = 64


def entry(head: str, anonymous: int = 0, swap: int = 0) -> str:
    return f"{head}\nRss: 8 kB\nAnonymous: {anonymous:8} kB\nSwap: {swap:14} kB\nVmFlags: rd mr mw me\n"


LISTED = "".join(
    (
        entry("00400000-00401000 r-xp 00000000 08:01 7    /usr/bin/python3"),
        entry("00500000-00503000 r--p 00000000 08:01 7    /usr/bin/python3", anonymous=8),
        entry("00504000-00507000 r--p 00000000 08:01 7    /usr/bin/python3", swap=4),
        entry("00600000-00601000 rw-p 00000000 08:01 7    /usr/bin/python3"),
        entry("7f0000000000-7f0000002000 r-xp 00000000 08:01 9    /usr/lib/a b.so (deleted)"),
        entry("7f1000000000-7f1000002000 r--s 00000000 00:0e 9    anon_inode:bpf-map"),
        entry("7f2000000000-7f2000002000 r--s 00000000 08:01 9    /run/shared"),
        entry("7f3000000000-7f3000002000 r--p 00000000 00:00 0 "),
        entry("7fff00000000-7fff00001000 r-xp 00000000 00:00 0    [vdso]"),
        entry("7fff10000000-7fff10002000 r--p 00000000 08:01 9    /usr/lib/b.so"),
    )
)


def resident(mapped: Path) -> int:
    """Return the KiB of a file's mappings that lie in memory."""
    found, size = False, 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match("[0-9a-f]+-", line):
            found = line.endswith(f" {mapped}")
        elif found and line.startswith("Rss:"):
            size += int(line.split()[1])
    return size


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "library"
    path.write_bytes(bytes(range(256)) * 16 * PAGES)
    return path


def test_only_what_no_page_of_was_changed_is_let_go() -> None:
    assert list(mapped_files.unchanged(LISTED)) == [
        (0x400000, 0x1000),
        (0x7F0000000000, 0x2000),
        (0x7FFF10000000, 0x2000),
    ]


def test_pages_of_a_file_are_unmapped_and_come_back(file: Path) -> None:
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ) as mapped:
        whole = mapped[:]
        assert resident(file) == len(whole) // 1024
        files = MappedFiles()
        files.let_go(100.0)
        assert resident(file) == len(whole) // 1024, "it was not there before"
        files.let_go(106.0)
        assert resident(file) == 0
        assert mapped[:] == whole


def test_it_looks_soon_again_and_then_each_minute(file: Path) -> None:
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ) as mapped:
        files, gone = MappedFiles(), []
        for now in (100.0, 104.0, 105.0, 164.0, 165.0):
            assert mapped[:]
            files.let_go(now)
            gone.append(resident(file) == 0)
        assert gone == [False, False, True, False, True]


def test_what_this_process_wrote_stays(file: Path) -> None:
    access = mmap.PROT_READ | mmap.PROT_WRITE
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, mmap.MAP_PRIVATE, access) as mapped:
        files = MappedFiles()
        files.let_go(100.0)
        mapped[:4] = b"mine"
        files.let_go(106.0)
        assert mapped[:4] == b"mine"


def test_a_process_that_cannot_list_its_mappings_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped_files, "_SMAPS", tmp_path / "none")
    MappedFiles().let_go(100.0)
