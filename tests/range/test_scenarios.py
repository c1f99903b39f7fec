"""The scenarios keep their contract, and the document lists them."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from collector.rules import rule_folders
from range import document, marked
from range.command import RangeFailed, chosen
from range.scenario import HOSTS, Scenario, load
from range.twins import Draw

SCENARIOS = load()
RULES = {
    *(str(rule.id) for rule in rule_folders.judging()),
}
WITHOUT_A_RULE: frozenset[str] = frozenset()
"""Rules that scenarios wait for."""
ROW = {
    "scenario": "curl-upload",
    "number": 3,
    "title": "curl uploads an archive",
    "detected": True,
    "rule": "http-upload",
    "seconds": 0.94,
    "person_right": True,
    "bytes_right": None,
    "incidents": 1,
    "evidence_verified": False,
    "twin_runs": 1,
    "twin_alerts": 0,
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda one: one.name)
def test_a_scenario_is_complete(scenario: Scenario) -> None:
    people, twin = {person.name: person for person in scenario.people}, scenario.twin(Draw())
    assert scenario.cast(scenario.steps) | scenario.cast(twin) == set(people)
    assert scenario.steps
    assert twin
    assert scenario.truth.person in scenario.cast(scenario.steps)
    assert set(scenario.truth.hosts) <= set(HOSTS)
    assert all(set(person.hosts) <= set(HOSTS) for person in people.values())
    assert all(step.host in HOSTS for step in (*scenario.steps, *twin) if step.person is None)
    assert all(one.host in HOSTS for one in scenario.prepared)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda one: one.name)
def test_runs_of_a_twin_differ_by_the_same_people_and_can_be_repeated(scenario: Scenario) -> None:
    runs = [scenario.twin(Draw(run)) for run in range(min(20, scenario.twin_runs))]
    assert runs == [scenario.twin(Draw(run)) for run in range(len(runs))]
    assert {scenario.cast(run) for run in runs} == {scenario.cast(runs[0])}
    assert len(set(runs)) >= min(3, len(runs))


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda one: one.name)
def test_its_rules_exist_or_are_said_to_be_missing(scenario: Scenario) -> None:
    assert scenario.truth.rules
    assert set(scenario.truth.rules) <= RULES | WITHOUT_A_RULE


def test_no_rule_is_said_to_be_missing_that_exists() -> None:
    assert not WITHOUT_A_RULE & RULES


def test_scenarios_are_chosen_by_name_number_or_all() -> None:
    named = [one.name for one in chosen(["22", "curl-upload"])]
    assert named == ["curl-upload", "agent-killed", "agent-killed-whole", "agent-stopped"]
    assert chosen(["all"]) == list(SCENARIOS.values())
    with pytest.raises(RangeFailed, match="no scenario 'nothing'"):
        chosen(["nothing"])


def test_a_host_that_is_not_marked_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "range"
    with pytest.raises(marked.NotARange, match="not marked as a range"):
        marked.demand({}, missing)
    with pytest.raises(marked.NotARange, match="not marked as a range"):
        marked.demand({marked.VARIABLE: "1"}, missing)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: others are refused anyway")
def test_a_file_or_a_variable_marks_a_range(tmp_path: Path) -> None:
    (tmp_path / "range").touch()
    marked.demand({}, tmp_path / "range")
    marked.demand({marked.VARIABLE: "this-host-is-a-range"}, tmp_path / "none")


def test_rows_become_a_table_between_the_marks() -> None:
    table = document.section([ROW, ROW | {"detected": False, "seconds": None}], dt.date(2026, 1, 2), "6.1")
    assert table.startswith("2026-01-02, Linux 6.1: 1 of 2 scenarios were found.\n\n| no. |")
    assert "\n| 3 | `curl-upload` | curl uploads an archive | `http-upload` | 0.9 | right |  |" in table
    assert "|  | not verified | 1 | 0 in 1 |\n" in table
    assert "| not found |  |  |  |  |  | 0 in 1 |" in table
    text = f"before\n{document.BEGIN}old\n{document.END}after\n"
    assert document.replaced(text, table) == f"before\n{document.BEGIN}{table}{document.END}after\n"
    with pytest.raises(ValueError, match="lacks"):
        document.replaced("nothing", table)


def test_the_document_has_a_row_for_each_scenario() -> None:
    listed = document.DOCUMENT.read_text().partition(document.BEGIN)[2].partition(document.END)[0]
    assert [name for name in SCENARIOS if f"`{name}`" not in listed] == []
