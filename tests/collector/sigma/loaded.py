"""The rules beside these tests, as the collector loads them."""

from __future__ import annotations

from pathlib import Path

from collector.rule_sources.sigma_folder import Folder
from collector.sigma.read import read
from collector.sigma.ruleset import Ruleset, assemble

FOLDER = Path(__file__).parent / "rules"
PLACEHOLDERS = {"admins": ("alice", "bob")}


def every_rule() -> Ruleset:
    return assemble(Folder(FOLDER, PLACEHOLDERS).read())


def rules_of(text: str) -> Ruleset:
    return assemble([read("x.yml", text.encode(), PLACEHOLDERS)])
