"""Documents that repeat what the code says are held against it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collector import risk
from collector.rule import Rule
from collector.rules import rule_folders

ROOT = Path(__file__).parents[2]
RULES = [
    *rule_folders.detections(),
    *rule_folders.correlations(),
    risk.RULE,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.id))
def test_every_rule_and_its_parameters_are_documented(rule: Rule) -> None:
    text = (ROOT / "docs" / "detections.md").read_text()
    assert f"`{rule.id}`, {rule.severity}" in text
    for parameter in rule.parameters:
        assert f"| `{parameter.name}` | {parameter.default} | {parameter.unit} |" in text


def test_documents_link_to_files_that_exist() -> None:
    broken = [
        f"{path.name}: {target}"
        for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text())
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert broken == []
