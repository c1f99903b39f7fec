"""Our matches are those of pySigma's own SQLite backend, rule by rule, on events put together at random."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec
import pytest
import re2
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sigma.backends.sqlite import sqliteBackend  # type: ignore[attr-defined]
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

from collector.sigma import tree
from collector.sigma.decide import views_of
from collector.sigma.document import Rule
from collector.sigma.judge import Judge
from tests.collector.sigma.loaded import FOLDER, every_rule

SOURCES = {"process_creation", "network_connection"}
RULES = {rule.id: rule for rule in every_rule().rules}
COLUMNS = {
    **dict.fromkeys(
        ("Image", "CommandLine", "ParentImage", "CurrentDirectory", "User"), "TEXT COLLATE NOCASE"
    ),
    **dict.fromkeys(("DestinationIp", "DestinationHostname", "Initiated"), "TEXT COLLATE NOCASE"),
    **dict.fromkeys(("DestinationPort", "SourcePort"), "INTEGER"),
}
PIECES = (
    *(
        "/usr/bin/",
        "/tmp/",  # noqa: S108 - data
        "/HOME/a/",
        "bin/",
        "zsh",
        "nc",
        "NMAP",
        "useradd",
        "chmod",
        "tar",
        "find",
        "getcap",
    ),
    *(
        "a",
        "b",
        "x",
        " -enc ",
        " --decode",
        "curl",
        "| sh",
        " -P",
        " -p",
        " -sS",
        "PASSWD=",
        "777",
        " -perm ",
    ),
    *(
        " -r ",
        " -czf ",
        "rm *",
        "a\\b",
        "L2Jpbi9zaA==",
        "aHR0cHM6Ly9",
        " /listen",
        " -listen",
        "dpkg",
        "é",
        "%",
        "_",
    ),
)


def converted() -> Iterator[Any]:
    for name in ("modifiers.yml", "conditions.yml", "sources.yml"):
        for document in yaml.safe_load_all((FOLDER / name).read_text()):
            rule = RULES[document["id"]]
            if rule.logsource.category not in SOURCES:
                continue
            del document["examples"]
            try:
                backend = sqliteBackend()  # type: ignore[no-untyped-call]
                queries = backend.convert(SigmaCollection.from_dicts([document]))
            except SigmaError:
                continue  # the backend knows no keywords and no placeholders
            yield pytest.param(rule, queries, id=rule.title)


def texts() -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join)


EVENTS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("Image", "CommandLine", "ParentImage", "CurrentDirectory"), texts()),
        "User": st.sampled_from(("root", "Builder", "bob")),
        "DestinationIp": st.sampled_from(("10.1.2.3", "11.0.0.1", "fd00::7", "2001:db8::1")),
        "DestinationHostname": st.sampled_from(("x.ngrok.io", "x.example")),
        "DestinationPort": st.sampled_from(("22", "1337", "4000", "4999", "5001", "31337")),
        "SourcePort": st.sampled_from(("1024", "1025", "59999", "60000")),
        "Initiated": st.sampled_from(("true", "false")),
    },
)


@pytest.mark.parametrize(("rule", "queries"), list(converted()))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events=st.lists(EVENTS, min_size=1, max_size=8))
def test_matches_are_those_of_the_sqlite_backend(
    rule: Rule, queries: list[str], events: list[dict[str, str]]
) -> None:
    (view,) = views_of(rule.logsource)
    judge = Judge((rule,), lambda: 0)
    bodies = [view.body(event) for event in events]
    seen = Judge((_all_fields(rule),), lambda: 0).panels[0]
    with closing(sqlite3.connect(":memory:")) as lake:
        lake.create_function(
            "REGEXP", 2, lambda pattern, text: text is not None and bool(re2.search(pattern, text))
        )
        lake.execute(
            "CREATE TABLE logs (number INTEGER, " + ", ".join(f"{n} {t}" for n, t in COLUMNS.items()) + ")"
        )
        for number, body in enumerate(bodies):
            values = seen.values(body)
            row = [number, *(values.get(name) for name in COLUMNS)]
            lake.execute(f"INSERT INTO logs VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - no text of ours
        expected = {row[0] for query in queries for row in lake.execute(query)}
    assert {number for number, body in enumerate(bodies) if judge.of(body)} == expected


def _all_fields(rule: Rule) -> Rule:
    """Return a rule of the same logsource that looks at every field, so that its panel shows them all."""
    (view,) = views_of(rule.logsource)
    asked = tuple(tree.Exists(name) for name in view.fields)
    return msgspec.structs.replace(rule, condition=tree.Any(asked))
