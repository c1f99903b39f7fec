from __future__ import annotations

import hashlib
import io
import re
import shutil
import tarfile
from pathlib import Path

import pytest
from runtime import apt, sources
from runtime.errors import SourceRefused
from runtime.sources import Source

ALL = {source.name: source for source in (*sources.IN_PYTHON, *sources.IN_LIBBPF)}
SERIES = "plain.diff\n# CVE-2.patch\nCVE-1.patch # urgent\n"
PATCH = "--- a/code.c\n+++ b/code.c\n@@ -1 +1 @@\n-broken\n+fixed\n"


@pytest.mark.parametrize("source", ALL.values(), ids=ALL)
def test_a_row_pins_the_original_and_the_changes(source: Source) -> None:
    original, changes = source.files
    assert ".orig.tar." in original
    assert source.version.rpartition(":")[2] in changes
    assert ".debian.tar." in changes
    assert all(re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in source.files.values())
    assert re.fullmatch(r"\d+(\.\d+)+", source.upstream)
    assert source.licence_files


def archived(path: Path, files: dict[str, str]) -> str:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetched(cache: Path) -> Source:
    """Return a source whose files stand in the cache already."""
    folder = cache / "sources"
    folder.mkdir()
    original = archived(folder / "x.orig.tar.gz", {"x-1.0/code.c": "broken\n", "x-1.0/other.c": "other\n"})
    changes = {
        "debian/patches/series": SERIES,
        "debian/patches/CVE-1.patch": PATCH,
        "debian/patches/plain.diff": PATCH.replace("code.c", "other.c").replace("broken", "other"),
    }
    files = {"x.orig.tar.gz": original, "x.debian.tar.gz": archived(folder / "x.debian.tar.gz", changes)}
    return Source("x", "1.0-1", files, "MIT", ("LICENSE",), patches="^CVE-")


@pytest.mark.skipif(not shutil.which("patch"), reason="patch is not installed")
def test_fixes_of_faults_are_applied_and_other_changes_are_not(tmp_path: Path) -> None:
    apt.unpack(fetched(tmp_path), tmp_path, tmp_path / "x")
    assert (tmp_path / "x/code.c").read_text() == "fixed\n"
    assert (tmp_path / "x/other.c").read_text() == "other\n"


def test_other_bytes_than_the_pinned_are_refused_and_forgotten(tmp_path: Path) -> None:
    source = fetched(tmp_path)
    (tmp_path / "sources/x.orig.tar.gz").write_bytes(b"changed on the way")
    with pytest.raises(SourceRefused, match=r"x\.orig\.tar\.gz has sha256 \w+, pinned is \w+"):
        apt.fetched(source, tmp_path)
    assert not (tmp_path / "sources/x.orig.tar.gz").exists()
