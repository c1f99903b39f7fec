"""A hunt over stored events finds what the stream finds: nothing is lost by narrowing in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.hunting import hunt
from collector.hunting.hunt import Hunted, Span
from collector.lake import extract
from collector.sigma.decide import views_of
from collector.sigma.judge import Judge
from collector.sigma.narrow import narrowed
from collector.sigma.ruleset import Ruleset
from evidence.event import stamp
from evidence.kind import Body
from evidence.kinds.process import Ancestor, Exec
from tests.collector.sigma.loaded import every_rule, rules_of

ALL = every_rule()
SECOND = 1_000_000_000
EVER = Span(0, 1 << 62)
BODIES: list[Body] = [
    view.body(example.fields)
    for rule in ALL.rules
    for view in views_of(rule.logsource)
    for example in rule.examples
]


@contextmanager
def lake(bodies: Sequence[Body], apart: int = SECOND) -> Iterator[duckdb.DuckDBPyConnection]:
    """Store bodies as events, one entry each."""
    events = [stamp(body, seq=seq, time=seq * apart, mono=seq) for seq, body in enumerate(bodies, start=1)]
    rows = extract.rows(events)
    with duckdb.connect() as connection:
        connection.register("arrived", rows)
        connection.execute(
            "CREATE TABLE events AS SELECT * REPLACE ('web1' AS agent, 1 AS epoch, 'boot' AS boot, "
            "'web1' AS host, seq AS ledger_index, time AS received, false AS contested) FROM arrived"
        )
        connection.execute(
            "CREATE TABLE batches AS SELECT ledger_index, agent, boot, time AS sent, received FROM events"
        )
        yield connection


def hunted(bodies: Sequence[Body], ruleset: Ruleset = ALL, limit: int = 100_000) -> Hunted:
    with lake(bodies) as connection:
        return hunt.search(connection, ruleset, EVER, limit)


def streamed(bodies: Sequence[Body]) -> set[tuple[str, str]]:
    judge = Judge(ALL.rules, lambda: 0)
    return {(rule.id, f"web1:1:{seq}") for seq, body in enumerate(bodies, start=1) for rule in judge.of(body)}


def pairs(found: Hunted) -> set[tuple[str, str]]:
    return {(hit.rule, uid) for hit in found.hits if not hit.joined for uid in hit.evidence}


def test_all_examples_are_found_as_in_the_stream() -> None:
    found = hunted(BODIES)
    assert pairs(found) == streamed(BODIES)
    assert len({hit.rule for hit in found.hits}) >= len(ALL.rules)
    assert not found.truncated


WORDS = st.sampled_from(
    (
        *(
            "/usr/bin/nmap",
            "NC",
            "/bin/ZSH",
            "curl",
            "| sh",
            "-enc",
            "-p",
            "-P",
            "rm *",
            "a\\b",
            "chmod",
            "777",
        ),
        *("\u00e9", "\u0130", "\u017f", "\u212a", '"', "\n", "%", "_", "'; --", "L2Jpbi9zaA==", "passwd="),
    )
)
EXECS = st.builds(
    Exec,
    pid=st.just(1),
    exe=st.none() | st.sampled_from(("/usr/bin/nmap", "/tmp/x", "/bin/NC", "/bin/chmod", "/x/\u017fh")),  # noqa: S108 - data
    argv=st.lists(WORDS, max_size=4).map(tuple),
    user=st.none() | st.sampled_from(("root", "ALICE", "bob")),
    cwd=st.none() | st.just("/usr/bin"),
    ancestry=st.sampled_from(((), (Ancestor(pid=1, exe="/usr/bin/dpkg"),))),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EXECS, min_size=1, max_size=12))
def test_whatever_was_executed_a_hunt_finds_what_the_stream_finds(bodies: list[Exec]) -> None:
    assert pairs(hunted(bodies)) == streamed(bodies)


def test_what_cannot_match_is_not_looked_at() -> None:
    noise = [Exec(pid=1, exe="/bin/true", argv=("true",)) for _ in range(200)]
    rule = rules_of(
        "title: t\nlogsource: {product: linux, category: process_creation}\n"
        "detection: {s: {CommandLine|contains: [nmap, zmap]}, condition: s}\n"
    )
    found = hunted([*noise, Exec(pid=1, exe="/x", argv=("sudo", "NMAP"))], rule)
    assert (len(found.hits), found.looked) == (1, 1)


def test_correlations_are_hunted_too_and_give_their_last_word() -> None:
    shells = [Exec(pid=1, exe="/bin/bash", user="bob") for _ in range(4)]
    found = [hit for hit in hunted(shells).hits if hit.joined]
    assert [(hit.title, len(hit.evidence)) for hit in found] == [("Many shells of one user", 4)]


@pytest.mark.parametrize("limit", [1, 3])
def test_more_than_the_limit_is_cut_and_said(limit: int) -> None:
    found = hunted([Exec(pid=1, exe="/bin/bash", user="bob") for _ in range(9)], limit=limit)
    assert found.truncated
    assert len([hit for hit in found.hits if not hit.joined]) == limit


def test_a_rule_of_no_view_is_no_condition() -> None:
    rules = rules_of("title: t\nlogsource: {product: windows}\ndetection: {s: {Image: x}, condition: s}\n")
    assert narrowed(rules.rules[0]) is None
    assert hunted(BODIES[:3], rules).hits == ()
