"""What differs between two snapshots of a source. Pure and bounded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

Snapshot = dict[str, dict[str, str]]
"""Subject to what is said of it: an entry without a value is a line of its own, one with a value a field."""

LISTED = 100
"""Lines of each kind in one difference; more are counted."""

LINE = 1024
"""Characters of a line or a subject."""

LINES = 2000
"""Lines of one subject that are kept one by one."""


class Difference(msgspec.Struct, frozen=True):
    """What became of a subject; more is how many lines are not listed."""

    subject: str
    change: Literal["appeared", "changed", "gone"]
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    more: int = 0


def as_lines(lines: Iterable[str]) -> dict[str, str]:
    """Return lines as what is said of a subject; of those beyond LINES a count and a digest, as one line."""
    said = dict.fromkeys(lines, "")
    if len(said) <= LINES:
        return said
    rest = list(said)[LINES:]
    digest = hashlib.sha256("\n".join(rest).encode("utf-8", "surrogatepass")).hexdigest()
    return dict.fromkeys((*list(said)[:LINES], f"{len(rest)} further lines, sha256 {digest}"), "")


def differences(before: Snapshot, after: Snapshot) -> Iterator[Difference]:
    """Yield a difference for each subject that came, went or says something else.

    Lines that came and went are added and removed. Of fields only the names are told, and only where they
    changed: what a new subject says in fields goes without saying.
    """
    for subject in sorted(before.keys() | after.keys()):
        had, has = before.get(subject), after.get(subject)
        if had == has:
            continue
        lines = has or {}
        former = had or {}
        added = [line for line, value in lines.items() if not value and line not in former]
        removed = [line for line, value in former.items() if not value and line not in lines]
        changed = _changed_fields(former, lines) if had is not None and has is not None else []
        change: Literal["appeared", "changed", "gone"] = (
            "appeared" if had is None else "gone" if has is None else "changed"
        )
        yield bounded(subject, change, added, removed, changed)


def bounded(
    subject: str,
    change: Literal["appeared", "changed", "gone"],
    added: Iterable[str] = (),
    removed: Iterable[str] = (),
    changed: Iterable[str] = (),
) -> Difference:
    """Return a difference with its lists and lines cut to what an event may hold."""
    lists = [[_cut(line) for line in lines] for lines in (added, removed, changed)]
    more = sum(max(0, len(lines) - LISTED) for lines in lists)
    cut = [tuple(lines[:LISTED]) for lines in lists]
    return Difference(_cut(subject), change, cut[0], cut[1], cut[2], more)


def _cut(line: str) -> str:
    return line if len(line) <= LINE else f"{line[:LINE]}… {len(line)} characters"


def _changed_fields(former: dict[str, str], lines: dict[str, str]) -> list[str]:
    names = sorted(name for name in former.keys() | lines.keys() if former.get(name) or lines.get(name))
    return [name for name in names if former.get(name) != lines.get(name)]
