"""docs/kinds.md and docs/coverage.md tell the truth: complete, and every test they name exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from evidence import ocsf
from evidence.kinds import BY_NAME

ROOT = Path(__file__).parents[2]
PART = re.compile(r"part [2-5]")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
TARGET = re.compile(r"`make ([\w-]+)`")
LESSONS = [f"R{number}" for number in range(1, 57)]
VERBS = {
    "vedette-agent": (
        "run, watch, ship, status, doctor, doctor --bundle, receipts export, enroll, unenroll, "
        "reset-identity, seal-image, config test, config show, config schema, tail, spool status, "
        "spool verify, spool flush, spool export, selftest, version"
    ),
    "vedette-collector": (
        "serve, setup, token create, token list, token revoke, agents list, agents show, agents revoke, "
        "agents settle, user add, user list, user disable, rules list, rules test, rules explain, "
        "policy key new, policy sign, policy check, policy stage, policy roll-out, policy roll-back, "
        "policy list, policy show, fsck, checkpoint, replay, retention, backup, restore, "
        "config test, config show, config schema, version"
    ),
    "vedette": (
        "prove, login, status, alerts, incidents, show, search, sql, session, tree, timeline, person, hunt, "
        "rules, explain, tune, export, verify, range, version"
    ),
}
FOLDERS = {
    "vedette-agent": "agent/commands",
    "vedette-collector": "collector/commands",
    "vedette": "client/commands",
}


def rows(name: str) -> list[list[str]]:
    """Return the cells of every table row in a document, headings left out."""
    lines = (ROOT / "docs" / name).read_text().splitlines()
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [cells for cells in split if not set(cells[0]) <= {"-", ":"} and cells[0] not in {"id", "kind"}]


COVERAGE = {cells[0].strip("`"): cells for cells in rows("coverage.md")}
SPACED = {name.replace("-", " "): cells for name, cells in COVERAGE.items()}


@cache
def functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def is_held(cell: str) -> bool:
    """Return whether a cell names a part that is due later, or only tests and make targets that exist."""
    if PART.fullmatch(cell):
        return True
    tests, targets = TEST.findall(cell), TARGET.findall(cell)
    makefile = (ROOT / "Makefile").read_text()
    return bool(tests or targets) and all(
        [(ROOT / path).exists() and function in functions(ROOT / path) for path, function in tests]
        + [f"\n{target}:" in makefile for target in targets]
    )


@pytest.mark.parametrize("name", BY_NAME)
def test_kind_is_listed_with_its_producer_and_test(name: str) -> None:
    listed = {cells[0].strip("`"): cells for cells in rows("kinds.md")}
    assert name in listed, f"docs/kinds.md lacks {name}"
    _kind, class_uid, producer, test = listed[name]
    assert int(class_uid) == ocsf.class_of(BY_NAME[name])
    assert producer
    assert is_held(test), f"{name}: {test}"


def test_no_kind_is_listed_that_does_not_exist() -> None:
    assert {cells[0].strip("`") for cells in rows("kinds.md")} <= set(BY_NAME)


@pytest.mark.parametrize("lesson", LESSONS)
def test_lesson_is_covered(lesson: str) -> None:
    assert lesson in COVERAGE, f"docs/coverage.md lacks {lesson}"
    assert len(COVERAGE[lesson][1]) > 20


@pytest.mark.parametrize("command", VERBS)
def test_every_verb_is_covered(command: str) -> None:
    missing = [verb for verb in VERBS[command].split(", ") if f"{command} {verb}" not in COVERAGE]
    assert missing == []


@pytest.mark.parametrize("command", FOLDERS)
def test_every_verb_that_exists_is_listed_and_tested(command: str) -> None:
    files = sorted((ROOT / FOLDERS[command]).glob("[a-z]*.py"))
    for path in files:
        spaced = path.stem.replace("_", " ")
        row = SPACED.get(f"{command} {spaced}".replace("-", " "))
        assert row, f"docs/coverage.md lacks {command} {spaced}"
        assert not PART.fullmatch(row[2]), f"{command} {spaced} exists, and has no test"


def test_no_verb_is_claimed_that_does_not_exist() -> None:
    for name, cells in COVERAGE.items():
        command, _, verb = name.partition(" ")
        if command in FOLDERS and TEST.search(cells[2]) and "--" not in verb:
            file = verb.replace(" ", "_").replace("-", "_")
            assert (ROOT / FOLDERS[command] / f"{file}.py").exists(), f"{name} is no command"


@pytest.mark.parametrize("name", COVERAGE)
def test_row_is_held_by_a_test_or_due_in_a_part(name: str) -> None:
    cells = COVERAGE[name]
    assert len(cells) == 3
    assert is_held(cells[2]), f"{name}: {cells[2]!r}"
