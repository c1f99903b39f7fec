"""What a rule is not shown it would have ignored: routing saves time and changes nothing."""

from __future__ import annotations

import msgspec
import pytest

from collector.alert import Alert
from collector.analysis import Analysis
from collector.organisation.known import Known, Organisation
from collector.record import Origin
from collector.rule import BEGIN, Connections, Rule, Story, any_connection, any_program
from collector.rules import rule_folders
from collector.rules.routes import Routes, is_unusual, wants
from collector.settings import Detection as Settings
from evidence.event import stamp
from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close
from evidence.kinds.process import Exec

SECOND = 1_000_000_000
RULES = rule_folders.judging()
STORIES = [story for rule in RULES for story in (*rule.hits, *rule.misses)]
SETTINGS = Settings(known_destinations=("127.0.0.0/8", "192.0.2.0/24"))


def play(engine: Analysis, number: int, story: Story) -> list[Alert]:
    """Return what the engine finds in a story, each on hosts of its own that use the same addresses."""
    alerts: list[Alert] = []
    engine.learn(Known(story.organisation) if story.organisation is not None else told())
    for seq, step in enumerate(story.steps, start=1):
        at = BEGIN + number * 60 * SECOND + int(step.at * SECOND)
        origin = Origin(f"{step.agent}-{number % 5}", 1, "boot", step.agent, seq, at)
        alerts += engine.step(origin, [stamp(step.body, seq=number * 1000 + seq, time=at, mono=at)], at)[1]
    return alerts + engine.tick(BEGIN + (number + 1) * 60 * SECOND)


def told() -> Known:
    return Analysis(SETTINGS).site.known


class Unrouted(Analysis):
    """An engine that shows rules every connection, and every exec to those that want unusual ones."""

    def _routes(self) -> dict[type, tuple[object, ...]]:  # type: ignore[override]
        routes = super()._routes()
        for kind, rules in routes.items():
            routes[kind] = tuple((_eager(rule), ask) for rule, ask in rules)
        return routes  # type: ignore[return-value]


def _eager(rule: Rule) -> Rule:
    programs = any_program if rule.unusual else rule.programs
    return msgspec.structs.replace(rule, connections=any_connection, programs=programs)


def test_routing_changes_nothing_that_is_found() -> None:
    routed, unrouted = Analysis(SETTINGS), Unrouted(SETTINGS)
    found = 0
    for number, story in enumerate(STORIES):
        expected = play(unrouted, number, story)
        assert play(routed, number, story) == expected, story.why
        found += len(expected)
    assert found > len(RULES)


def _flow(exe: str, ip: str = "203.0.113.9") -> Close:
    return Close(
        flow=1,
        protocol="tcp",
        direction="out",
        local=Endpoint(ip="10.0.0.5", port=50_000),
        remote=Endpoint(ip=ip, port=443),
        bytes_out=5,
        actor=Actor(pid=5, exe=exe),
    )


@pytest.mark.parametrize(
    ("wanted", "is_shown"),
    [
        (Connections(), True),
        (Connections("out", "tcp", unknown=True, programs=frozenset({"curl"})), True),
        (Connections("in"), False),
        (Connections(protocol="icmp"), False),
        (Connections(programs=frozenset({"nc"})), False),
    ],
)
def test_a_connection_is_shown_to_rules_that_want_ones_like_it(
    *, wanted: Connections, is_shown: bool
) -> None:
    rule = next(one for one in RULES if Close in one.kinds)
    rule = msgspec.structs.replace(rule, connections=lambda _site: wanted)
    routes = Routes({Close: ((rule, lambda _record, _site: ()),)}, Analysis(SETTINGS).site)
    for _ in range(2):  # decided, then looked up
        assert bool(routes.of(_flow("/usr/bin/curl"))) is is_shown


def test_what_a_programs_process_has_become_is_seen_too() -> None:
    rule = next(one for one in RULES if Close in one.kinds)
    rule = msgspec.structs.replace(rule, connections=lambda _site: Connections(programs=frozenset({"bash"})))
    routes = Routes({Close: ((rule, lambda _record, _site: ()),)}, Analysis(SETTINGS).site)
    flow = _flow("/usr/bin/nc")
    actor = msgspec.structs.replace(flow.actor or Actor(), became="/usr/bin/bash")
    assert not routes.of(flow)
    assert routes.of(msgspec.structs.replace(flow, actor=actor))


def test_what_the_operator_tells_anew_holds_for_connections_that_were_judged_before() -> None:
    engine = Analysis(SETTINGS)
    before = engine._wanted.of(_flow("/usr/bin/curl", "192.0.2.1"))  # noqa: SLF001 - nothing else shows it
    engine.learn(Known(Organisation()))
    after = engine._wanted.of(_flow("/usr/bin/curl", "192.0.2.1"))  # noqa: SLF001
    assert len(after) > len(before)


def test_an_unusual_exec_is_shown_whatever_its_program() -> None:
    rule = next(one for one in RULES if one.id == "memory-exec")
    site = Analysis(SETTINGS).site
    plain = Exec(pid=1, exe="/usr/bin/x")
    for fields in ({"elevated": True}, {"memory_only": "memfd"}, {"environment": {"LD_PRELOAD": "x"}}):
        unusual = msgspec.structs.replace(plain, **fields)
        assert is_unusual(unusual)
        assert wants(rule, unusual, site)
    assert not wants(rule, plain, site)
