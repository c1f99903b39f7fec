"""`vedette range`: attacks and their benign twins on test hosts of their own, and how they were seen."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from range import command as scenarios
from range.marked import NotARange

from ..command import FINE, FOUND, Call, Command
from ..errors import ClientError
from ..screen import Part, Screen

_HEADS = ("no.", "scenario", "detected", "seconds", "person", "bytes", "evidence", "twin")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("list", "run"), help="show the scenarios, or play some")
    parser.add_argument("names", nargs="*", metavar="NAME", help="name or number of a scenario, or all")
    parser.add_argument(
        "--twins",
        type=int,
        default=1,
        metavar="N",
        help="runs of each benign twin, each its own way (1)",
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="copy logs and alerts of the run here")


def _run(call: Call) -> int:
    names = call.options.names
    try:
        if call.options.what == "list":
            return _list(call.screen, names or [scenarios.ALL])
        if not names:
            raise ClientError("name scenarios, or all; `vedette range list` has them")
        return _play(call, names)
    except (scenarios.RangeFailed, NotARange) as error:
        raise ClientError(str(error)) from error


def _list(screen: Screen, names: list[str]) -> int:
    rows = scenarios.chosen(names)
    if screen.as_json:
        for one in rows:
            screen.value({"scenario": one.name, "number": one.number, "title": one.title})
        return FINE
    screen.table(
        ("no.", "scenario", "what", "benign twin"),
        [[str(one.number), (one.name, "bold"), one.title, (one.twin_title, "dim")] for one in rows],
        right=("no.",),
    )
    return FINE


def _play(call: Call, names: list[str]) -> int:
    rows: list[dict[str, Any]] = []

    def told(row: dict[str, Any]) -> None:
        rows.append(row)
        if call.screen.as_json:
            call.screen.value(row)

    scenarios.run(scenarios.chosen(names), told, twins=call.options.twins, keep=call.options.keep)
    if not call.screen.as_json:
        call.screen.table(_HEADS, [_cells(row) for row in rows], right=("no.", "seconds"))
    return FINE if all(_is_good(row) for row in rows) else FOUND


def _is_good(row: dict[str, Any]) -> bool:
    return (
        row["person_right"]
        and row["reached_right"] is not False
        and row["bytes_right"] is not False
        and row["evidence_verified"]
        and not _twin(row)
    )


def _twin(row: dict[str, Any]) -> int:
    return int(row["twin_alerts"])


def _cells(row: dict[str, Any]) -> list[Part]:
    seconds = row["seconds"]
    return [
        str(row["number"]),
        (row["scenario"], "bold"),
        (row["rule"], "green") if row["detected"] else ("no", "red"),
        "-" if seconds is None else f"{seconds:.1f}",
        _mark(_person(row), "right", "wrong"),
        _mark(row["bytes_right"], "right", "wrong"),
        _mark(row["evidence_verified"] if row["detected"] else None, "verified", "not verified"),
        (f"{_twin(row)} in {row['twin_runs']}", "red") if _twin(row) else ("silent", "green"),
    ]


def _person(row: dict[str, Any]) -> bool | None:
    """Return whether the alert, and where it matters each session that led to it, is the right person's."""
    return row["person_right"] and row["reached_right"] is not False if row["detected"] else None


def _mark(value: bool | None, good: str, bad: str) -> Part:
    if value is None:
        return "-"
    return (good, "green") if value else (bad, "red")


COMMAND = Command("range", "play attacks and their benign twins on test hosts", _run, _arguments)
