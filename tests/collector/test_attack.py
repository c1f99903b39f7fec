from __future__ import annotations

import pytest

from collector import attack
from collector.rule import Rule
from collector.rules import rule_folders

RULES = rule_folders.judging()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.id))
def test_every_technique_of_a_rule_has_a_tactic(rule: Rule) -> None:
    assert [one for one in rule.attack if attack.tactic(one) is None] == []


def test_old_and_new_ids_are_the_same_technique() -> None:
    assert attack.present("T1562.003") == "T1690"
    assert attack.tactic("T1562.001") == attack.tactic("T1685") == "defense-impairment"
    assert attack.tactic("T1070.002") == attack.tactic("T1685.006") == "defense-impairment"
    assert attack.tactic("T1070.003") == "stealth"


def test_what_is_renumbered_has_a_tactic_and_is_not_renumbered_again() -> None:
    for new in attack.RENUMBERED.values():
        assert attack.tactic(new)
        assert attack.present(new) == new


def test_tactics_are_distinct_and_in_the_order_of_an_attack() -> None:
    assert attack.tactics(("T1048", "T1560", "T1560.001", "T9999")) == ("collection", "exfiltration")
