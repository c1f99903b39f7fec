"""Which files the settings may have left out: those that root alone can change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent import ignored_programs

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: its files are those that count")
PROGRAM = "/usr/bin/true"


def test_a_program_of_the_system_counts_by_its_content() -> None:
    found = ignored_programs.find(PROGRAM)
    assert found.contents == (ignored_programs.content(Path(PROGRAM).stat()),)
    assert found.refused == ()


def test_a_link_counts_as_what_it_leads_to(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(PROGRAM)
    assert ignored_programs.find(str(link)) == ignored_programs.find(PROGRAM)


def test_a_pattern_stands_for_programs_only() -> None:
    found = ignored_programs.find("/etc/passw*")
    assert found.contents == ()


@pytest.mark.parametrize(("mode", "owner"), [(0o775, 0), (0o757, 0), (0o755, 65_534)])
def test_what_somebody_else_can_change_is_refused(tmp_path: Path, mode: int, owner: int) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    program.chmod(mode)
    os.chown(program, owner, 0)
    found = ignored_programs.find(str(program))
    assert found.contents == ()
    assert found.refused == (f"{program}: not root alone can change it",)


def test_a_folder_above_that_others_can_change_is_enough_to_refuse(tmp_path: Path) -> None:
    program = tmp_path / "open" / "inner" / "program"
    program.parent.mkdir(parents=True)
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    program.parents[1].chmod(0o777)
    assert ignored_programs.find(str(program)).refused == (
        f"{program.parents[1]}: not root alone can change it",
    )


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing*")
    assert ignored_programs.find(missing).refused == (f"{missing}: no such program",)
