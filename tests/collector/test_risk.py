from __future__ import annotations

from decimal import Decimal
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import risk
from collector.alert import Alert, Severity
from collector.analysis import Analysis, site
from collector.detections import access_granted
from collector.record import How, Person, Record, SessionRevision
from collector.risk import HALF_LIFE, State
from collector.rule import Finding
from collector.rule_sources.playing import play as play_story
from collector.settings import Detection as Settings

BEGIN = 20_000 * HALF_LIFE
LIMITS = risk.limits(site(Settings()))
HOUR = 3_600_000_000_000


def about(
    rule: str,
    entity: str = "x",
    severity: Severity = "low",
    at: int = 0,
    *,
    attack: tuple[str, ...] = (),
    how: How = "kernel",
) -> Alert:
    return Alert(
        id=f"{rule}{entity}",
        rule=rule,
        version=1,
        severity=severity,
        title="t",
        summary="s",
        time=BEGIN + at,
        detected=BEGIN,
        agent="a",
        host="h",
        person=Person("alice", how),
        evidence=(f"{rule}:{entity}",),
        attack=attack,
        entity=entity,
    )


def play(alerts: list[Alert]) -> list[Finding]:
    state = State()
    return [finding for alert in alerts for finding in risk.found(state, alert, LIMITS)]


def last(alerts: list[Alert]) -> dict[str, Finding]:
    return {finding.entity: finding for finding in play(alerts)}


@pytest.mark.parametrize("steps", range(64))
def test_the_table_is_that_of_a_half_life(steps: int) -> None:
    exact = Decimal(2) ** 32 * Decimal(2) ** (Decimal(-steps) / 64)
    assert abs(risk.faded(1 << 32, steps) - exact) <= 1
    assert risk.faded(1 << 33, steps + 64) == risk.faded(1 << 33, steps) // 2


def test_low_findings_of_several_rules_add_up_and_one_rules_do_not() -> None:
    assert play([about("r", str(n)) for n in range(100)]) == []
    crossed = last([about(f"r{rule}", str(n)) for rule in range(4) for n in range(3)])
    assert list(crossed) == ["r0|0|20000|1"]
    (finding,) = crossed.values()
    assert finding.severity == "medium"
    assert finding.details["points"] == "120"
    assert len(finding.evidence) == 12


def test_twice_the_threshold_is_a_high_finding_of_its_own() -> None:
    alerts = [about(f"r{n}", severity="high") for n in range(4)]
    crossed = last(alerts)
    assert {key: finding.severity for key, finding in crossed.items()} == {
        "r0|x|20000|1": "medium",
        "r0|x|20000|2": "high",
    }
    inferred = last([about(f"r{n}", severity="high", how="inferred") for n in range(4)])
    assert list(inferred) == ["r0|x|20000|1"], "what is only inferred stays medium"


def test_risk_fades_and_crosses_again() -> None:
    assert play([about("a", severity="high"), about("b", severity="high", at=3 * HALF_LIFE)]) == []
    again = [
        about(f"{rule}{day}", severity="high", at=day * 5 * HALF_LIFE) for day in (0, 1) for rule in "ab"
    ]
    assert list(last(again)) == ["a0|x|20000|1", "a0|x|20005|1"]


def test_more_tactics_are_worth_more_and_only_for_a_day() -> None:
    near = [about("a", attack=("T1078",)), about("b", attack=("T1048", "T1078"), at=HOUR)]
    far = [near[0], about("b", attack=("T1048",), at=2 * HALF_LIFE)]
    same = [near[0], about("b", attack=("T1078",), at=HOUR)]
    points = [scores(alerts)[-1] for alerts in (near, same, far)]
    assert points[0] == points[1] + risk.TACTIC_BONUS
    assert points[2] == 12


def scores(alerts: list[Alert]) -> list[int]:
    parts = [one for alert in alerts if (one := risk.part(alert)) is not None]
    return [point.points for point in risk.history(parts, LIMITS.per_rule)]


def test_a_finding_counts_once_however_often_it_is_told() -> None:
    state = State()
    for _ in range(50):
        assert list(risk.found(state, about("a", severity="medium"), LIMITS)) == []
    assert len(state.people["alice"]) == 1


def test_what_was_found_in_a_session_is_the_risk_of_whoever_it_turns_out_to_be() -> None:
    state = State()
    alerts = [
        msgspec.structs.replace(about(rule, severity="high"), boot="b", person=Person("deploy", "kernel", 3))
        for rule in "ab"
    ]
    other = msgspec.structs.replace(about("c", severity="high"), boot="b", person=Person("deploy", "job", 3))
    for alert in (*alerts, other):
        list(risk.found(state, alert, LIMITS))
    alice = Person("alice", "hop", 3)
    known = SessionRevision("a", "b", 3, "h", "deploy", alice, None, None, None, None, 0, 0, 0, (), BEGIN)
    (crossed, *_) = risk.revised(state, known, LIMITS)
    assert (crossed.person, crossed.boot) == (alice, "b")
    assert {name: len(parts) for name, parts in state.people.items()} == {"deploy": 1, "alice": 2}
    assert list(risk.revised(state, known, LIMITS)) == []


def test_a_flood_of_one_rule_pushes_out_no_other() -> None:
    state = State()
    for alert in (about("quiet"), *(about("noisy", str(n), at=n) for n in range(500))):
        list(risk.found(state, alert, LIMITS))
    kept = [one.rule for one in state.people["alice"].values()]
    assert (kept.count("quiet"), kept.count("noisy")) == (1, risk.RULE_PARTS_LIMIT)


def test_nobodys_findings_and_its_own_are_no_risk() -> None:
    assert risk.part(about("person-risk")) is None
    assert risk.part(msgspec.structs.replace(about("a"), person=None)) is None


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(risk, "PEOPLE_LIMIT", 10)
    state = State()
    for n in range(700):
        alert = msgspec.structs.replace(about(f"r{n}"), person=Person(f"p{n % 3}", "kernel"))
        list(risk.found(state, alert, LIMITS))
    assert max(map(len, state.people.values())) <= risk.PARTS_LIMIT
    for n in range(50):
        alert = msgspec.structs.replace(about("r"), person=Person(f"q{n}", "kernel"))
        list(risk.found(state, alert, LIMITS))
    assert len(state.people) <= 10


found = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.sampled_from("xyz"),
        st.sampled_from(("low", "medium", "high")),
        st.integers(0, 5 * HALF_LIFE),
    ),
    max_size=12,
    unique_by=lambda one: one[:2],
)


@given(found, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_same_findings_in_any_order_are_the_same_risk(
    made: list[tuple[str, str, Severity, int]], random: Random
) -> None:
    alerts = [about(rule, entity, severity, at) for rule, entity, severity, at in made]
    shuffled = list(alerts)
    random.shuffle(shuffled)
    assert scores(alerts) == scores(shuffled)
    in_order = sorted(alerts, key=lambda one: one.time)
    crossed, late = last(in_order), last(shuffled)
    for key in crossed.keys() & late.keys():
        assert crossed[key].severity == late[key].severity
    peak = max(scores(alerts), default=0)
    assert bool(crossed) == bool(late) == (peak >= 100)


def test_the_engine_tells_it_and_keeps_it_over_a_restart() -> None:
    low = msgspec.structs.replace(access_granted.DETECTION, severity="low")
    engine = Analysis(Settings(parameters={"person-risk": {"threshold": 20}}))
    story = access_granted.DETECTION.hits[0]
    kind = type(story.steps[0].body)
    engine._by_kind[kind] = tuple(  # noqa: SLF001 - three low rules that find the same
        (msgspec.structs.replace(low, id=f"low{n}"), lambda record, _site: found_by(record, engine))
        for n in range(3)
    )
    alerts = play_story(story, engine)
    assert [(one.rule, one.severity) for one in alerts] == [
        ("low0", "low"),
        ("low1", "low"),
        ("person-risk", "medium"),
        ("low2", "low"),
    ]
    assert alerts[2].evidence == alerts[0].evidence
    again = Analysis(Settings())
    again.load(engine.dump())
    assert again._risk == engine._risk  # noqa: SLF001 - what must survive


def found_by(record: Record, engine: Analysis) -> Finding:
    finding = access_granted.DETECTION.find(record, engine.site)
    assert finding is not None
    return msgspec.structs.replace(finding, person=Person("alice", "kernel"))
