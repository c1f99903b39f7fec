"""The site's own detections: tried on their examples, left out when wrong, at rest when they fail."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from collector import cli, paths
from collector.alert import Alert
from collector.analysis import Analysis
from collector.record import Origin
from collector.rule import Detection as Rule
from collector.rule_sources import site_folder
from collector.rule_sources.playing import play, records, see
from collector.rule_sources.rules_watch import RulesWatch
from collector.rule_sources.site_folder import Rules, SiteFolder, Tried
from collector.settings import Detection, Settings
from evidence.event import stamp
from evidence.kinds.collector import Act
from tests.collector.rules.test_rules import at_site

ROOT = Path(__file__).parents[3]
EXAMPLE = (ROOT / "docs/examples/psql_copy.py").read_text()
ID = "site-psql-copy"
FAILS = EXAMPLE.replace(
    "    asked =", "    if record.index > 1:\n        raise ValueError('no')\n    asked ="
)
WRONG = {
    "syntax.py": ("def", "SyntaxError"),
    "none.py": ("", "sets no DETECTION"),
    "exits.py": ("raise SystemExit(0)", "SystemExit"),
    "dies.py": ("import os\nos._exit(0)", "without an answer"),
    "hungry.py": ("x = bytearray(1 << 40)", "MemoryError"),
    "ours.py": (EXAMPLE.replace(ID, "beacon"), "a rule of Vedette's own has this id"),
    "named.py": (EXAMPLE.replace(ID, "No Name"), "id: small letters"),
    "bare.py": (EXAMPLE.replace("    misses=(", "    misses=() and ("), "at least one example"),
    "blind.py": (EXAMPLE.replace("kinds=(Exec,)", "kinds=()"), "kinds: name the kinds"),
    "broken.py": (EXAMPLE.replace('"copy" not in', '"nothing" not in'), "'an export' is not found"),
    "loud.py": (EXAMPLE.replace("is None:\n", "is None and False:\n"), "'a robot' is found, and must not be"),
    "fails.py": (EXAMPLE.replace("body.argv[-1][:64]", "body.argv[99]"), "IndexError"),
    "Capital.py": (EXAMPLE, "name it in small letters"),
    "large.py": (EXAMPLE + "#" * (256 << 10), "more than 262144 bytes"),
}


def folder(tmp_path: Path, **files: str) -> Path:
    made = tmp_path / "detections"
    made.mkdir(mode=0o755, exist_ok=True)
    for name, text in files.items():
        (made / f"{name}.py").write_text(text)
    return made


def tried(tmp_path: Path, **files: str) -> list[Tried]:
    return SiteFolder(folder(tmp_path, **files)).tried()


def rule_of(tmp_path: Path, text: str) -> Rule:
    (one,) = tried(tmp_path, one=text)
    assert one.rule is not None, one.wrong
    return one.rule


def test_the_example_of_the_manual_holds_and_is_found(tmp_path: Path) -> None:
    rule = rule_of(tmp_path, EXAMPLE)
    alerts = play(rule.hits[0], Analysis(Detection(), site_rules=(rule,)))
    assert [alert.rule for alert in alerts] == [ID]
    assert play(rule.hits[0], Analysis(Detection())) == []


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_is_wrong_is_named_with_the_reason_and_costs_no_other(tmp_path: Path, name: str) -> None:
    text, reason = WRONG[name]
    (folder(tmp_path, zz_good=EXAMPLE) / name).write_text(text)
    wrong, good = sorted(tried(tmp_path), key=lambda one: one.path.name == "zz_good.py")
    assert good.rule is not None
    assert good.rule.id == ID
    assert wrong.rule is None
    assert reason in (wrong.wrong or "")
    assert name in (wrong.wrong or "")


def test_of_two_rules_of_one_name_the_first_counts(tmp_path: Path) -> None:
    first, second = tried(tmp_path, a=EXAMPLE, b=EXAMPLE + "\n")
    assert first.rule is not None
    assert "a.py has this id" in (second.wrong or "")


def test_what_others_could_have_written_is_not_executed(tmp_path: Path) -> None:
    inside = folder(tmp_path, one="raise RuntimeError('executed')")
    (inside / "one.py").chmod(0o664)
    (one,) = SiteFolder(inside).tried()
    assert "others may write it" in (one.wrong or "")
    inside.chmod(0o777)
    with pytest.raises(Exception, match="others may write it"):
        SiteFolder(inside).tried()


def test_a_file_is_tried_once_for_each_content(tmp_path: Path) -> None:
    inside, kept = folder(tmp_path, one=EXAMPLE, two="def"), tmp_path / "kept.json"
    assert SiteFolder(inside, kept).known()[0].wrong == f"{inside}/one.py: not tried yet"
    before = [one.wrong for one in SiteFolder(inside, kept).tried()]
    stored = json.loads(kept.read_text())
    assert len(stored["verdicts"]) == 2
    stored["verdicts"] = dict.fromkeys(stored["verdicts"], "as it was kept")
    kept.write_text(json.dumps(stored))
    assert [one.wrong for one in SiteFolder(inside, kept).tried()] == ["as it was kept"] * 2
    stored["version"] = "of another version"
    kept.write_text(json.dumps(stored))
    assert [one.wrong for one in SiteFolder(inside, kept).tried()] == before


def test_a_rule_that_fails_is_put_to_rest_by_an_act_until_a_person_makes_it_live(tmp_path: Path) -> None:
    rule = rule_of(tmp_path, FAILS)
    engine = Analysis(Detection(), site_rules=(rule,))
    story = rule.hits[0]
    again = [*story.steps, *story.steps]
    seen = records(type(story)(story.why, tuple(again)))
    assert [alert.rule for alert in see(engine, seen[0])] == [ID]
    assert engine.broken(0) == []
    assert [alert.rule for alert in see(engine, seen[1])] == ["rule-fault"]
    (act,) = engine.broken(0)
    assert (act.object, act.detail) == (ID, {"state": "off", "decided_on": ""})
    assert "ValueError: no" in (act.reason or "")

    later = Analysis(Detection(), site_rules=(rule,))
    later.load(engine.dump())
    assert later.broken(0) == [act], "a restart does not forget it"
    assert [alert.rule for alert in decide(later, act, 10)] == ["rule-rested"]
    assert later.broken(0) == []
    assert see(later, seen[1]) == [], "it is not asked any more"
    assert play(rule.hits[0], at_site(story)) == [], "others go on"

    live = Act(user="ann", verb="rule.state", object=ID, detail={"state": "live"}, reason="mended")
    decide(later, live, 11)
    see(later, seen[1])
    assert later.broken(0)[0].detail == {"state": "off", "decided_on": decided_at(11)}


def decided_at(seq: int) -> str:
    return str(1_790_000_000_000_000_000 + seq)


def decide(engine: Analysis, act: Act, seq: int) -> list[Alert]:
    at = int(decided_at(seq))
    event = stamp(act, seq=seq, time=at, mono=at)
    return engine.step(Origin("collector", 1, "boot", "collector", seq, at), [event], at)[1]


def watched(tmp_path: Path, told: list[Act]) -> RulesWatch[Rules]:
    settings = Settings(state=tmp_path / "state", detection=Detection(python=folder(tmp_path)))
    paths.of(settings).root.mkdir(exist_ok=True)

    def record(act: Act) -> None:
        told.append(act)

    return site_folder.watch(settings, record, look_seconds=0.0)


def test_a_change_of_the_folder_is_taken_up_and_recorded(tmp_path: Path) -> None:
    told: list[Act] = []
    watch = watched(tmp_path, told)
    assert watch.rules == ()
    folder(tmp_path, one=EXAMPLE)
    until = time.monotonic() + 20
    fresh: Rules | None = None
    while fresh is None and time.monotonic() < until:
        time.sleep(0.02)
        fresh = watch.look()
    watch.close()
    assert [rule.id for rule in fresh or ()] == [ID]
    assert [act.detail["rules"] for act in told if act.detail is not None] == ["0", "1"]
    assert {act.verb for act in told} == {"detections.read"}
    engine = Analysis(Detection())
    engine.adopt(fresh or ())
    assert [alert.rule for alert in play((fresh or ())[0].hits[0], engine)] == [ID]
    settings = Settings(state=tmp_path / "state", detection=Detection(python=folder(tmp_path)))
    assert [rule.id for rule in site_folder.in_force(settings)] == [ID]
    assert site_folder.file_of(settings, ID) == folder(tmp_path) / "one.py"


def test_the_commands_try_and_list_them_without_a_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = str(folder(tmp_path, good=EXAMPLE, bad="def"))
    assert cli.main(["rules", "test", "--python", inside]) == 1
    said = capsys.readouterr().out
    assert "2 rules with 4 examples, 1 wrong" in said
    assert "SyntaxError" in said
    assert cli.main(["rules", "list", "--python", inside, "--json"]) == 0
    listed = {one["id"]: one for one in json.loads(capsys.readouterr().out)}
    assert (listed[ID]["state"], listed[ID]["kind"]) == ("active", "process.exec")
    assert listed["bad"]["state"] == "inactive"
