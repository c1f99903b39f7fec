"""How often each branch of CPython is taken at work like ours: counted by training.py, kept, compiled by."""

from __future__ import annotations

import hashlib
import lzma
import re
from pathlib import Path

from .errors import ProfileOutdated

KEPT = Path(__file__).with_name("cpython.profdata.xz")
"""Counts by clang's front end: they are of branches of the source, so any later clang can read them."""
_WARNING = re.compile(r"of (\d+) functions?, (\d+) ha(?:s|ve) mismatched data")
_MOST_MISMATCHED = 0.02
"""Of the functions in files that have any; a fix of security changes fewer."""


def inputs() -> list[str]:
    """Return what decides how the profile changes the outcome."""
    return [hashlib.sha256(KEPT.read_bytes()).hexdigest()]


def unpacked(target: Path) -> list[str]:
    """Write the profile to target, and return the options with which clang compiles by it."""
    target.write_bytes(lzma.decompress(KEPT.read_bytes()))
    return [f"-fprofile-instr-use={target}"]


def check(output: str) -> None:
    """Look in a compiler's output for functions that are no longer those that were counted.

    Raises:
        ProfileOutdated: so many that the profile is of another source.
    """
    found = [(int(all_of), int(other)) for all_of, other in _WARNING.findall(output)]
    functions, mismatched = sum(one[0] for one in found), sum(one[1] for one in found)
    if mismatched > functions * _MOST_MISMATCHED and mismatched > len(found):
        raise ProfileOutdated(
            f"{KEPT.name} counted {mismatched} of {functions} functions otherwise: make runtime-profile"
        )
