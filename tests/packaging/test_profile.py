"""The counts that CPython is compiled by: there, small enough to be kept, and of the source they go with."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from runtime import profile, shell
from runtime.errors import ProfileOutdated, ToolMissing

MAGIC = bytes.fromhex("ff6c70726f666981")  # llvm/ProfileData/InstrProf.h: IndexedInstrProf::Magic
STALE = (
    "warning: profile data may be out of date: of {} functions, {} ha{} mismatched data that will be ignored"
)


def test_the_kept_profile_is_one(tmp_path: Path) -> None:
    (option,) = profile.unpacked(tmp_path / "counts")
    assert option == f"-fprofile-instr-use={tmp_path}/counts"
    content = (tmp_path / "counts").read_bytes()
    assert content.startswith(MAGIC)
    assert b"_PyEval_EvalFrameDefault" in content
    assert profile.KEPT.stat().st_size < 2 << 20


def test_another_profile_is_another_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"other")
    before = profile.inputs()
    monkeypatch.setattr(profile, "KEPT", other)
    assert profile.inputs() == [hashlib.sha256(b"other").hexdigest()] != before


def test_a_function_of_a_header_that_differs_is_no_other_source() -> None:
    profile.check("\n".join(STALE.format(50, 1, "s") for _ in range(51)))
    profile.check("warning: profile data may be incomplete: of 190 functions, 37 have no data\n")


def test_another_source_is_refused() -> None:
    said = "\n".join(STALE.format(50, 9, "ve") for _ in range(51))
    with pytest.raises(ProfileOutdated, match="459 of 2550 functions otherwise: make runtime-profile"):
        profile.check(said)


def test_a_missing_program_or_file_is_named_by_its_package(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    shell.need({"sh": "dash", str(tmp_path / "there"): "there"})
    with pytest.raises(ToolMissing, match=r"apt-get install file-package program-package$"):
        shell.need({str(tmp_path / "gone"): "file-package", "no-such-program": "program-package"})
