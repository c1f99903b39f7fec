"""Sigma rules in the engine: alerts, quiet rules, correlations, restarts, a folder that changes."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from collector import paths
from collector.alert import Alert
from collector.analysis import Analysis
from collector.errors import CollectorError
from collector.record import Origin
from collector.rule import BEGIN
from collector.rule_sources import sigma_source
from collector.rule_sources.rules_watch import RulesWatch
from collector.settings import Detection, Settings
from collector.sigma.document import Rule
from collector.sigma.judge import Panel
from collector.sigma.ruleset import Ruleset
from evidence.event import stamp
from evidence.kind import Body
from evidence.kinds.collector import Act
from evidence.kinds.login import Failed
from evidence.kinds.process import Exec
from tests.collector.sigma.loaded import every_rule, rules_of

SECOND = 1_000_000_000
RULE = """title: {title}
id: {id}
level: {level}
tags: [attack.t1562.001]
logsource: {{product: linux, category: process_creation}}
detection:
    s: {{Image|endswith: {image}}}
    condition: s
"""
FIRST, SECOND_ID = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def rule(image: str, level: str = "high", name: str = FIRST) -> str:
    return RULE.format(title=f"runs {image}", id=name, level=level, image=image)


def see(engine: Analysis, body: Body, at: float, seq: int = 0) -> list[Alert]:
    now = BEGIN + int(at * SECOND)
    seq = seq or int(at * 10) + 1
    origin = Origin("web1", 1, "boot", "web1", seq, now)
    return engine.step(origin, [stamp(body, seq=seq, time=now, mono=seq)], now)[1]


def run(exe: str, **values: int | str) -> Exec:
    return Exec(pid=7, start=5, exe=exe, argv=(exe, "-x"), user="bob", auid=1000, session=3, **values)  # type: ignore[arg-type]


def test_a_match_is_an_alert_with_the_rules_id_level_and_present_attack_ids() -> None:
    engine = Analysis(Detection(), sigma=rules_of(rule("/nmap")))
    assert see(engine, run("/bin/ls"), 0) == []
    (alert,) = see(engine, run("/usr/bin/nmap"), 1)
    assert (alert.rule, alert.severity, alert.attack) == (FIRST, "high", ("T1685",))
    assert alert.evidence == ("web1:1:11",)
    assert "/usr/bin/nmap -x" in alert.summary
    assert alert.details["Image"] == "/usr/bin/nmap"
    assert see(engine, run("/usr/bin/nmap"), 2) == [], "the same again is a later form of the same"


def test_a_quiet_rule_tells_of_one_event_an_hour() -> None:
    engine = Analysis(Detection(), sigma=rules_of(rule("/id", "low")))
    begin = 3600 - (BEGIN // SECOND) % 3600
    found = [alert for at in range(60) for alert in see(engine, run("/usr/bin/id"), begin + at)]
    assert [alert.severity for alert in found] == ["low"]
    assert len(see(engine, run("/usr/bin/id"), begin + 3601)) == 1


def test_a_correlation_tells_for_its_rules_and_outlives_a_restart() -> None:
    engine = Analysis(Detection(), sigma=every_rule())
    told: list[str] = []
    for at in (0, 50, 60):
        told += [alert.title for alert in see(engine, run("/bin/bash"), at)]
        stored = engine.dump()
        engine = Analysis(Detection(), sigma=every_rule())
        engine.load(stored)
    assert [title for title in told if title.startswith("Many")] == ["Many shells of one user"]
    assert "A shell is started" not in told, "its correlation speaks for it"
    refused = see(engine, Failed(program="sshd", user="bob"), 70)
    assert "A shell, then a login is refused" in {alert.title for alert in refused}
    assert "Logins refused" not in {alert.title for alert in refused}, "its correlation speaks for it"


def test_other_rules_hold_from_the_next_event_on_and_what_stays_forgets_nothing() -> None:
    rules = every_rule()
    engine = Analysis(Detection(), sigma=rules)
    for at in (0, 10):
        see(engine, run("/bin/bash"), at)
    more = rules_of(rule("/nmap"))
    engine.enforce(Ruleset((*rules.rules, *more.rules), rules.correlations))
    assert "Many shells of one user" in {alert.title for alert in see(engine, run("/bin/bash"), 20)}
    assert [alert.rule for alert in see(engine, run("/x/nmap"), 30) if alert.rule == FIRST] == [FIRST]
    engine.enforce(Ruleset())
    assert see(engine, run("/y/nmap"), 40) == []


def test_a_rule_that_is_put_to_rest_is_silent_and_a_staged_one_is_staged() -> None:
    engine = Analysis(Detection(), sigma=rules_of(rule("/nmap")))
    detail = {"state": "staged", "reason": "new"}
    see(engine, Act(user="ann", verb="rule.state", object=FIRST, detail=detail), 0)
    (alert,) = see(engine, run("/x/nmap"), 1)
    assert alert.staged
    see(engine, Act(user="ann", verb="rule.state", object=FIRST, detail={**detail, "state": "off"}), 2)
    assert see(engine, run("/y/nmap"), 3) == []


def test_a_matching_that_fails_is_told_and_blinds_no_other_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Analysis(Detection(), sigma=rules_of(rule("/nmap")))

    def fail(_self: Panel, _body: Body) -> None:
        raise ValueError("no")

    monkeypatch.setattr(Panel, "of", fail)
    assert [alert.rule for alert in see(engine, run("/x/nmap"), 1)] == ["rule-fault"]


def test_an_event_that_cannot_be_judged_hides_none_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, of = Analysis(Detection(), sigma=rules_of(rule("/nmap"))), Panel.of

    def fail(self: Panel, body: Exec) -> tuple[Rule, ...]:
        if body.exe == "/x/nmap":
            raise ValueError("no")
        return of(self, body)

    monkeypatch.setattr(Panel, "of", fail)
    events = [
        stamp(run(exe), seq=at, time=BEGIN, mono=at) for at, exe in enumerate(("/x/nmap", "/y/nmap"), 1)
    ]
    _persons, alerts = engine.step(Origin("web1", 1, "boot", "web1", 1, BEGIN), events, BEGIN)
    assert [alert.rule for alert in alerts] == ["rule-fault", FIRST]


def watched(tmp_path: Path, told: list[Act]) -> RulesWatch[Ruleset]:
    settings = Settings(state=tmp_path / "state", detection=Detection(sigma=tmp_path / "rules"))
    paths.of(settings).root.mkdir(exist_ok=True)

    def record(act: Act) -> None:
        told.append(act)

    return sigma_source.watch(settings, record, look_seconds=0.0)


def looked(watch: RulesWatch[Ruleset], seconds: float = 10.0) -> Ruleset | None:
    """Look until something changed, or long enough."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        fresh = watch.look()
        if fresh is not None:
            return fresh
        time.sleep(0.02)
    return None


def test_a_change_of_the_folder_is_taken_up_recorded_and_a_bad_file_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "rules" / "linux"
    folder.mkdir(parents=True)
    (folder / "a.yml").write_text(rule("/nmap"))
    told: list[Act] = []
    watch = watched(tmp_path, told)
    assert [one.id for one in watch.rules.rules] == [FIRST]
    assert [(act.verb, (act.detail or {})["rules"]) for act in told] == [("sigma.read", "1")]
    (folder / "bad.yml").write_text("title: [")
    (folder / "b.yml").write_text(rule("/zmap", name=SECOND_ID))
    with caplog.at_level(logging.WARNING):
        fresh = looked(watch)
    assert fresh is not None
    assert {one.id for one in fresh.rules} == {FIRST, SECOND_ID}
    assert "linux/bad.yml" in caplog.text
    assert (told[-1].detail or {})["left out"] == "1"
    watch.close()
    count = len(told)
    watched(tmp_path, told).close()
    assert len(told) == count, "the same rules are recorded once, also over a restart"


def test_a_folder_that_is_gone_leaves_the_rules_in_force(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "a.yml").write_text(rule("/nmap"))
    watch = watched(tmp_path, [])
    (folder / "a.yml").rename(tmp_path / "a.yml")
    folder.rmdir()
    assert looked(watch, 0.3) is None
    assert [one.id for one in watch.rules.rules] == [FIRST]
    watch.close()


def test_what_could_not_be_recorded_is_recorded_later(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yml").write_text(rule("/nmap"))
    told: list[Act] = []
    settings = Settings(state=tmp_path, detection=Detection(sigma=tmp_path / "rules"))

    def record(act: Act) -> None:
        if not told:
            told.append(act)
            raise CollectorError("no ledger yet")
        told.append(act)

    watch = sigma_source.watch(settings, record, look_seconds=0.0)
    assert looked(watch, 0.3) is None
    assert len(told) == 2
    watch.close()
