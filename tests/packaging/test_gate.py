from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime import gate
from runtime.errors import TooNew

HEADERS = """
libx.so:     file format elf64-x86-64

Dynamic Section:
  NEEDED               libc.so.6
  NEEDED               libstdc++.so.6

Version definitions:
1 0x01 0x0f9d0f0b GLIBC_2.99

Version References:
  required from libstdc++.so.6:
    0x08922974 0x00 04 GLIBCXX_{cxx}
    0x056bafd3 0x00 03 CXXABI_{abi}
  required from libc.so.6:
    0x09691a75 0x00 02 GLIBC_{libc}
    0x0963cf85 0x00 05 GLIBC_PRIVATE
"""


def test_what_the_oldest_system_has_passes() -> None:
    assert gate.too_new(HEADERS.format(cxx="3.4.25", abi="1.3.11", libc="2.28")) == []


@pytest.mark.parametrize(
    ("cxx", "abi", "libc", "said"),
    [
        ("3.4.26", "1.3.11", "2.28", "GLIBCXX_3.4.26 of libstdc++.so.6"),
        ("3.4.25", "1.3.12", "2.28", "CXXABI_1.3.12 of libstdc++.so.6"),
        ("3.4.25", "1.3.11", "2.34", "GLIBC_2.34 of libc.so.6"),
        ("3.4.25", "1.3.11", "2.28.1", "GLIBC_2.28.1 of libc.so.6"),
    ],
)
def test_what_it_lacks_is_named(cxx: str, abi: str, libc: str, said: str) -> None:
    assert gate.too_new(HEADERS.format(cxx=cxx, abi=abi, libc=libc)) == [said]


@settings(deadline=None)
@given(minor=st.integers(0, 99))
def test_versions_are_compared_as_numbers(minor: int) -> None:
    assert bool(gate.too_new(HEADERS.format(cxx="3.4", abi="1.3", libc=f"2.{minor}"))) is (minor > 28)


@settings(deadline=None)
@given(text=st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    assert isinstance(gate.too_new(text), list)


@pytest.mark.skipif(not shutil.which("objdump"), reason="binutils is not installed")
def test_a_real_binary_is_held_against_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy("/bin/true", tmp_path / "true")
    (tmp_path / "notes.txt").write_text("no binary")
    (tmp_path / "link").symlink_to("true")
    assert "libc.so.6" in gate.needed(tmp_path)
    monkeypatch.setitem(gate.LIMITS, "GLIBC", (99, 0))
    assert gate.check(tmp_path) == 1
    monkeypatch.setitem(gate.LIMITS, "GLIBC", (2, 1))
    with pytest.raises(TooNew, match=r"true: GLIBC_2\.\d+ of libc\.so\.6"):
        gate.check(tmp_path)


@pytest.mark.skipif(not shutil.which("objdump"), reason="binutils is not installed")
def test_a_damaged_binary_is_no_pass(tmp_path: Path) -> None:
    (tmp_path / "broken.so").write_bytes(b"\x7fELF and nothing else")
    with pytest.raises(subprocess.CalledProcessError):
        gate.check(tmp_path)
