"""Each modifier, condition and logsource: rules with hits and misses beside them, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.hunting.sigma_way import through
from collector.sigma.document import Rule
from collector.sigma.examples import failure, matches
from collector.sigma.judge import Judge
from collector.sigma.read import read
from collector.sigma.standing import standings
from evidence.kinds.process import Ancestor, Exec
from tests.collector.sigma.loaded import PLACEHOLDERS, every_rule, rules_of

ALL = every_rule()
PROCESS = "logsource: {product: linux, category: process_creation}"


def rule_of(detection: str, further: str = "") -> Rule:
    made = rules_of(
        f"title: t\nid: {'0' * 8}-0000-4000-8000-{'0' * 12}\n{PROCESS}\n{further}detection: {detection}\n"
    )
    (listed,) = made.listed
    assert isinstance(listed.document, Rule)
    return listed.document


def judge_of(rule: Rule) -> Judge:
    assert rule.fault is None, rule.fault
    return Judge((rule,), lambda: 0)


@pytest.mark.parametrize("rule", ALL.rules, ids=lambda rule: str(rule.title))
def test_examples_beside_a_rule_are_kept(rule: Rule) -> None:
    assert {example.matches for example in rule.examples} == {True, False}
    judge = Judge((rule,), lambda: 0)
    assert [matches(judge, rule, example) for example in rule.examples] == [
        example.matches for example in rule.examples
    ]


def test_every_rule_beside_these_tests_is_active() -> None:
    inactive = [one for one in standings(ALL, through) if one.state != "active"]
    assert inactive == []


def test_all_rules_together_find_what_each_finds_alone() -> None:
    together = Judge(ALL.rules, lambda: 0)
    for rule in ALL.rules:
        alone = Judge((rule,), lambda: 0)
        for panel in alone.panels:
            for other in ALL.rules:
                for example in other.examples:
                    body = panel.view.body(example.fields)
                    assert (rule in together.of(body)) == bool(alone.of(body))
                    both = dict.fromkeys((0, 1), together.of(body)) if together.of(body) else {}
                    assert together.each((body, body)) == both


def test_a_wrong_example_makes_a_rule_inactive() -> None:
    rule = rule_of("{s: {Image: /bin/ls}, condition: s}", "examples: {misses: [{Image: /bin/ls}]}\n")
    assert failure(rule) == "example 1 is a miss that it matches"


@pytest.mark.parametrize(
    ("detection", "why"),
    [
        ("{s: {Image|nosuch: x}, condition: s}", "nosuch"),
        ("{s: {Image: x}, condition: s and t}", "'t'"),
        ("{s: {Image|re: '(?=x)y'}, condition: s}", "egular expression"),
        ("{s: {Image|re: '('}, condition: s}", "egular expression"),
        ("{s: {User|expand: '%nobody%'}, condition: s}", "placeholder %nobody%"),
        ("{s: {Image|cidr: 'x'}, condition: s}", "x"),
        ("{s: {Image: x}, condition: s | count() > 5}", "pipe"),
        ("{s: {Image: x}}", "condition"),
    ],
)
def test_what_is_not_supported_says_why(detection: str, why: str) -> None:
    fault = rule_of(detection).fault
    assert fault is not None
    assert why in fault


@pytest.mark.parametrize(
    ("source", "detection", "why"),
    [
        (
            "{product: windows, category: process_creation}",
            "{s: {Image: x}, condition: s}",
            "no sensor feeds",
        ),
        ("{product: linux, category: process_creation}", "{s: {Nosuch: x}, condition: s}", "tells Nosuch"),
        (
            "{product: linux, service: auditd}",
            "{s: {type: SYSCALL, SYSCALL: splice}, condition: s}",
            "SYSCALL",
        ),
        ("{product: linux, service: auditd}", "{s: {type: USER_TTY}, condition: s}", "type"),
    ],
)
def test_what_no_sensor_feeds_is_inactive_and_says_why(source: str, detection: str, why: str) -> None:
    made = rules_of(f"title: t\nlogsource: {source}\ndetection: {detection}\n")
    (one,) = standings(made, through)
    assert one.state == "inactive"
    assert why in (one.reason or "")


def test_a_field_that_is_absent_matches_no_pattern_not_even_a_star() -> None:
    rule = rule_of("{s: {User: '*'}, condition: s}")
    assert not judge_of(rule).of(Exec(pid=1))
    assert judge_of(rule).of(Exec(pid=1, user="x"))


def test_the_memory_keeps_apart_what_a_rule_looks_at() -> None:
    judge = judge_of(rule_of("{s: {Image: /bin/ls, ParentImage|endswith: /sh}, condition: s}"))
    below = (Ancestor(pid=1, exe="/bin/sh"),)
    for _ in range(2):
        assert judge.of(Exec(pid=1, exe="/bin/ls", ancestry=below))
        assert not judge.of(Exec(pid=2, exe="/bin/ls"))
    (panel,) = judge.panels
    assert (panel.count.asked, panel.count.remembered) == (4, 2)
    assert judge.costs[panel.rules[0].id].matches == 1


def test_a_rule_of_the_same_id_in_another_place_does_not_hold() -> None:
    text = f"title: t\nid: 11111111-1111-4111-8111-111111111111\n{PROCESS}\n"
    text += "detection: {s: {Image: x}, condition: s}\n"
    made = rules_of(text + "---\n" + text)
    assert [one.fault for one in made.listed] == [None, "its id stands in x.yml already"]
    assert len(made.rules) == 1


def test_a_filter_narrows_the_rules_it_names() -> None:
    made = rules_of(
        f"title: a\nid: 11111111-1111-4111-8111-111111111111\n{PROCESS}\n"
        "detection: {s: {Image|endswith: /ls}, condition: s}\n---\n"
        f"title: b\nid: 11111111-1111-4111-8111-111111111112\n{PROCESS}\n"
        "detection: {s: {Image|endswith: /ls}, condition: s}\n---\n"
        "title: f\nlogsource: {product: linux}\n"
        "filter: {rules: [11111111-1111-4111-8111-111111111111], s: {User: robot}, condition: not s}\n"
    )
    judge = Judge(made.rules, lambda: 0)
    assert [rule.title for rule in judge.of(Exec(pid=1, exe="/bin/ls", user="robot"))] == ["b"]
    assert [rule.title for rule in judge.of(Exec(pid=1, exe="/bin/ls", user="bob"))] == ["a", "b"]


def test_tags_levels_and_versions_are_taken_over() -> None:
    rule = rule_of(
        "{s: {Image: x}, condition: s}",
        "level: critical\nmodified: 2024-03-02\ntags: [attack.execution, attack.t1562.001, cve.2024-1]\n",
    )
    assert (rule.severity, rule.version, rule.attack) == ("critical", 20240302, ("T1685",))


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"- a\n- b\n", b"\xff\xfe", b"a: &a [*a]", b"title: [", b"%YAML 9.9\n---\n", b"a: b\na: c\n"],
)
def test_what_is_no_rule_is_a_fault_of_its_file(data: bytes) -> None:
    file = read("x.yml", data, {})
    assert file.fault is not None or all(one.fault is not None for one in file.documents)


def test_aliases_that_grow_without_end_are_refused() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join(['*' + last] * 9)}]\n"
        for last, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    file = read("x.yml", bomb.encode(), {})
    assert file.fault is not None or file.documents[0].fault is not None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_hostile_files_never_raise(data: st.DataObject) -> None:
    text = b"title: t\nlogsource: {product: linux}\n"
    text += b"detection:\n  s: {Image|contains: ['a*', 5, null]}\n  condition: s\n"
    at = data.draw(st.integers(0, len(text) - 1))
    piece = data.draw(
        st.binary(max_size=12) | st.sampled_from([b"[", b"{", b"&a ", b"*a", b"!!python/x ", b"- ", b"|"])
    )
    file = read("x.yml", text[:at] + piece + text[at + len(piece) :], PLACEHOLDERS)
    assert file.fault is not None or file.documents
