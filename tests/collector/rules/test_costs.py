"""What rules cost is measured, told, and part of nothing that is decided."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from collector.analysis import Analysis
from collector.errors import StoreError
from collector.record import Origin
from collector.rule import BEGIN
from collector.rules import costs
from collector.rules.costs import EVERY, Measured, RuleCost
from collector.settings import Detection
from evidence.event import stamp
from evidence.kind import Body
from evidence.kinds.collector import Act
from evidence.kinds.login import SessionOpen
from evidence.kinds.process import Exec
from tests.collector.sigma.loaded import rules_of

RULE = "11111111-1111-4111-8111-111111111111"
NMAP = f"""title: Runs nmap
id: {RULE}
level: high
logsource: {{product: linux, category: process_creation}}
detection:
    s: {{Image|endswith: /nmap}}
    condition: s
"""


def engine(step: int = 1000) -> Analysis:
    ticks = count(step=step)
    return Analysis(Detection(), sigma=rules_of(NMAP), clock=lambda: next(ticks))


def see(one: Analysis, bodies: list[Body], at: int = 0) -> int:
    origin = Origin("web1", 1, "boot", "web1", 1, BEGIN + at)
    events = [stamp(body, seq=at + seq, time=BEGIN + at, mono=seq) for seq, body in enumerate(bodies, 1)]
    return len(one.step(origin, events, BEGIN + at)[1])


def usermods(first: int, number: int) -> list[Body]:
    exe, words = "/usr/sbin/usermod", ("usermod", "-aG", "sudo")
    return [
        Exec(pid=90 + at, exe=exe, argv=(*words, f"u{at}"), uid=0, auid=1000, session=1)
        for at in range(first, first + number)
    ]


def cost(one: Analysis, rule: str) -> RuleCost | None:
    return next((each for each in one.measured().rules if each.rule == rule), None)


def test_one_event_of_many_is_measured_and_each_finding_counted() -> None:
    one = engine()
    opened = SessionOpen(program="sshd", user="al", pid=1, session=1, auid=1000)
    see(one, [opened, *usermods(0, EVERY - 2)])
    found = cost(one, "admin-account")
    assert found is not None
    assert (found.shown, found.spent, found.findings) == (0, 0, EVERY - 2)
    see(one, usermods(EVERY, 3 * EVERY), 100)
    found = cost(one, "admin-account")
    assert found is not None
    assert (found.shown, found.spent, found.findings) == (3 * EVERY, 3 * EVERY * 1000, 4 * EVERY - 2)


def test_each_look_of_a_sigma_rule_is_measured_and_what_is_remembered_is_told() -> None:
    one = engine()
    see(one, [Exec(pid=at, exe="/x/nmap", argv=("nmap",)) for at in range(5)])
    assert cost(one, RULE) == RuleCost(RULE, "Runs nmap", sigma=True, shown=1, findings=5, spent=1000)
    assert sum(view.asked for view in one.measured().views) >= 5
    assert sum(view.remembered for view in one.measured().views) >= 4


def test_a_sigma_rule_at_rest_costs_nothing_and_goes_on_when_it_is_live() -> None:
    one = engine()
    see(one, [Exec(pid=1, exe="/x/nmap")])
    for state, expected in (("off", 0), ("live", 1)):
        see(one, [Act(user="ann", verb="rule.state", object=RULE, detail={"state": state})], 1)
        assert see(one, [Exec(pid=2, exe=f"/{state}/nmap", argv=(state,))], 2) == expected
        found = cost(one, RULE)
        assert found is not None
        assert found.shown == 1 + expected


def test_how_slow_the_clock_is_changes_no_state() -> None:
    slow, quick = engine(10**9), engine(0)
    for one in (slow, quick):
        see(one, [*usermods(0, EVERY * 2), Exec(pid=1, exe="/x/nmap")])
        one.tick(BEGIN + 10**12)
    assert slow.measured() != quick.measured()
    assert slow.dump() == quick.dump()


def test_the_file_is_bounded_to_what_costs_most(tmp_path: Path) -> None:
    path = costs.beside(tmp_path / "snapshot.json")
    with pytest.raises(StoreError, match="is the collector running"):
        costs.read(path)
    rules = tuple(RuleCost(f"r{at}", "", sigma=True, shown=1, findings=0, spent=at) for at in range(1005))
    costs.write(path, Measured(rules), 1, 2)
    told = costs.read(path)
    assert [one.spent for one in told.measured.rules] == list(range(1004, 4, -1))
    assert told.spent == sum(range(1005))
    path.write_bytes(b"\xff{")
    with pytest.raises(StoreError, match="no costs"):
        costs.read(path)
