"""No event that a host may sign makes a rule fail, whatever came before it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.alert import Alert
from collector.analysis import Analysis
from collector.record import Origin
from collector.rule import BEGIN
from collector.rules import rule_folders
from collector.settings import Detection as Settings
from evidence.event import stamp
from evidence.kind import Body
from evidence.kinds import BY_NAME
from evidence.kinds.process import Exec

from .bodies import TEXT, parts

TIME = st.integers(0, 2**62)
RULES = rule_folders.judging()
WANTED = {kind for rule in RULES for kind in rule.kinds}
WORDS = st.one_of(
    TEXT,
    st.sampled_from(
        [
            "-v",
            "--mount",
            "run",
            "--cap-add",
            "-t",
            "1",
            "--vacuum-time=",
            "-aG",
            "sudo",
            "-u",
            "0",
            "-m",
            "u+s",
            "=",
        ]
    ),
)
PROGRAMS = [
    "/usr/bin/" + name for rule in RULES for name in sorted(rule.programs(Analysis(Settings()).site) or ())
] + ["/usr/bin/chmod", "/usr/bin/setcap", "/usr/bin/install", "/usr/bin/date"]
COMMANDS = st.builds(
    Exec,
    pid=st.integers(1, 99),
    exe=st.sampled_from(PROGRAMS),
    argv=st.lists(WORDS, max_size=6).map(tuple),
    uid=st.sampled_from([0, 1000]),
    auid=st.just(1000),
    session=st.just(7),
    login=st.just("alice"),
    elevated=st.booleans(),
    cwd=st.one_of(st.none(), TEXT),
)


def faults(bodies: list[tuple[Body, int]]) -> list[Alert]:
    """Return the alerts about rules that failed on these events, at their times (UTC ns)."""
    engine, alerts = Analysis(Settings()), []
    for seq, (body, time) in enumerate(bodies, start=1):
        origin = Origin(f"web{seq % 2}", 1, "boot", "web", seq, BEGIN)
        alerts += engine.step(origin, [stamp(body, seq=seq, time=time, mono=time)], BEGIN)[1]
    alerts += engine.tick(BEGIN + 10**12)
    engine.load(engine.dump())
    return [alert for alert in alerts if alert.rule == "rule-fault"]


@pytest.mark.parametrize("kind", sorted(WANTED, key=str), ids=lambda kind: str(kind.__name__))
def test_no_body_makes_a_rule_fail(kind: type[Body]) -> None:
    @settings(max_examples=12, deadline=None)
    @given(st.lists(st.tuples(parts(kind), TIME), min_size=1, max_size=3))
    def run(bodies: list[tuple[Body, int]]) -> None:
        assert faults(bodies) == []

    assert kind in BY_NAME.values()
    run()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(COMMANDS, TIME), min_size=1, max_size=4))
def test_no_command_line_makes_a_rule_fail(bodies: list[tuple[Body, int]]) -> None:
    assert faults(bodies) == []
