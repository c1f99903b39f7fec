"""Writes the rows of a run into docs/range.md: ``python -m range.document ROWS [DOCUMENT]``."""

from __future__ import annotations

import datetime as dt
import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .scenario import load

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "range.md"
BEGIN, END = "<!-- rows: begin -->\n", "<!-- rows: end -->\n"
_HEADS = (
    "no.",
    "scenario",
    "what",
    "found by",
    "seconds",
    "person",
    "bytes",
    "evidence",
    "incidents",
    "twin's alerts",
)


def section(rows: Sequence[dict[str, Any]], day: dt.date, kernel: str) -> str:
    """Return the table of rows, and above it when and where they were made, and how many were found."""
    found = sum(row["detected"] for row in rows)
    head = f"{day.isoformat()}, Linux {kernel}: {found} of {len(rows)} scenarios were found.\n\n"
    lines = [_line(_HEADS), _line(["---"] * len(_HEADS)), *[_line(_cells(row)) for row in rows]]
    return head + "".join(lines)


def replaced(text: str, table: str) -> str:
    """Return a document with table between its marks.

    Raises:
        ValueError: it has no marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document lacks {BEGIN.strip()} and {END.strip()}")
    return f"{before}{begin}{table}{end}{after}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _cells(row: dict[str, Any]) -> list[str]:
    seconds = "" if row["seconds"] is None else f"{row['seconds']:.1f}"
    detected = row["detected"]
    return [
        str(row["number"]),
        f"`{row['scenario']}`",
        row["title"],
        f"`{row['rule']}`" if detected else "not found",
        seconds,
        _word(row["person_right"] if detected else None, "right", "wrong")
        + _word(row.get("reached_right"), ", on all hops", ", not on all hops"),
        _word(row["bytes_right"], "right", "wrong"),
        _word(row["evidence_verified"] if detected else None, "verified", "not verified"),
        str(row["incidents"]) if detected else "",
        f"{row['twin_alerts']} in {row['twin_runs']}",
    ]


def _word(value: bool | None, good: str, bad: str) -> str:
    return "" if value is None else good if value else bad


def main() -> int:
    """Write the document."""
    rows = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    document = Path(sys.argv[2]) if sys.argv[2:] else DOCUMENT
    order = list(load())
    rows.sort(key=lambda row: order.index(row["scenario"]))
    table = section(rows, dt.datetime.now(dt.UTC).date(), platform.release().partition("-")[0])
    document.write_text(replaced(document.read_text(), table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
