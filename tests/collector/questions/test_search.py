"""The search language: what it means on real rows, how it refuses, and that it only ever makes parameters."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import QueryError, StoreError
from collector.lake import columns, snapshot
from collector.questions import fetch, moments, queries, search
from collector.questions.conditions import Where, condition, fits
from collector.questions.fields import ALERTS, EVENT_ALIASES, EVENTS
from tests.collector.api import lake

_SQL = re.compile(
    r"(?: |\(|\)|\?|,|\"[a-z0-9_]+\"|lower|LIKE|IN|ESCAPE|'\\'|' '|AND|OR|NOT|IS|NULL|TRUE|FALSE"
    r"|coalesce|array_to_string|contains|prefix|suffix|[<>]=?|=)*"
)
_words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_tokens = st.sampled_from(
    [
        *("user:", "bytes_out:", "time:", "argv:", "contested:", "AND", "OR", "NOT", "TO", "true", "é"),
        *("(", ")", '"', "[", "]", "{", "}", ">", ">=", "*", "?", "\\", "%", "_", " ", ":"),
        *("-1h", "10MB", "x'; DROP TABLE events; --"),
    ]
)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    made = lake.make(tmp_path_factory.mktemp("lake"))
    with snapshot.connect(snapshot.read(made.snapshot)) as opened:
        yield opened


def found(connection: duckdb.DuckDBPyConnection, query: str) -> list[int]:
    where = condition(query, EVENTS, lake.NOW)
    rows = fetch.events(connection, queries.search(where, queries.Span(), 100), 10.0)
    assert [row["time"] for row in rows] == sorted((row["time"] for row in rows), reverse=True)
    return sorted(row["seq"] for row in rows)


@pytest.mark.parametrize(
    ("query", "seqs"),
    [
        ("kind:agent.start", [1]),
        ("user:alice AND process.cmd_line:*tgz*", [5, 8]),
        ("user:ALICE process.cmd_line:*TGZ*", [5, 8]),
        ("tgz", [5, 8]),
        ('"s.tgz https"', [8]),
        ("tgz AND NOT curl", [5]),
        ("NOT NOT kind:agent.start", [1]),
        ("kind:(agent.start OR agent.heartbeat)", [1, 13]),
        ("kind:agent.start OR kind:login.accepted bytes_out:>1", [1]),
        ("(kind:agent.start OR kind:connection.close) bytes_out:>1", [10]),
        ("bytes_out:>10MB", [10]),
        ("bytes_out:>=12345678", [10]),
        ("bytes_out:>12345678", []),
        ("bytes_out:[12345678 TO *]", [10]),
        ("bytes_out:{12345678 TO *}", []),
        ("bytes_out:12345678", [10]),
        ("traffic.bytes_out:<1GiB AND dst_endpoint.port:443", [10]),
        ("dst_endpoint.ip:203.0.113.9 AND kind:connection.open", [9]),
        ("ip:198.51.100.99", [2]),
        ("exe:*/tar AND kind:process.exec", [5]),
        ("exe:/usr/bin/ta? AND kind:process.exec", [5]),
        ("argv:repo", [5]),
        ("cmd_line:tar\\ czf*", [5]),
        ("cmd_line:%tar%", []),
        ("cmd_line:_bash", []),
        ("cmd_line:-bash", [4]),
        ("file.path:*.pem", [6]),
        ("outcome:failure", [2]),
        ("time:<-50s AND kind:process.*", [4, 5, 7, 8]),
        (f"time:[{moments.to_iso(lake.NOW - 59 * lake.SECOND)} TO -58s]", [1, 2]),
        ("contested:true", []),
        ("flow:* kind:connection.open", [9]),
        ("", list(range(1, 14))),
    ],
)
def test_queries_find_what_they_say(
    connection: duckdb.DuckDBPyConnection, query: str, seqs: list[int]
) -> None:
    assert found(connection, query) == seqs


@pytest.mark.parametrize(
    ("query", "position", "expected"),
    [
        ("user:", 6, "a field, a word"),
        ("(a", 3, "')'"),
        ("a)", 2, "the end"),
        ('a "b', 3, "closing quote"),
        ("a AND", 6, "a field, a word"),
        ("OR a", 1, "a field, a word"),
        ("bytes_out:[1 9]", 14, "TO"),
        ("bytes_out:[1 TO 9", 18, "']'"),
        ("bytes_out:many", 11, "no whole number"),
        ("bytes_out:99999999999999999999", 11, "no whole number"),
        ("bytes_out:9999999999T", 11, "64 bits"),
        ("time:>tomorrow", 7, "no time"),
        ("time:2026-02-31", 6, "no time"),
        ("contested:maybe", 11, "true nor false"),
        ("argv:>x", 7, "no order"),
        ("a nofield:x", 3, "no field 'nofield'"),
        ("a\0b", 2, "NUL"),
    ],
)
def test_errors_name_position_and_what_was_expected(query: str, position: int, expected: str) -> None:
    with pytest.raises(QueryError) as refused:
        condition(query, EVENTS, lake.NOW)
    assert f"position {position}" in str(refused.value)
    assert expected in str(refused.value)


def test_size_terms_and_depth_are_bounded() -> None:
    for query in ("x" * (search.LENGTH_LIMIT + 1), "a " * (search.TERM_LIMIT + 1), "(" * 33 + "a" + ")" * 33):
        with pytest.raises(QueryError):
            condition(query, EVENTS, lake.NOW)
    condition("(" * 32 + "a" + ")" * 32, EVENTS, lake.NOW)
    with pytest.raises(QueryError):
        condition("NOT " * 1023 + "(", EVENTS, lake.NOW)


def _only_parameters(where: Where) -> None:
    assert _SQL.fullmatch(where.sql), where.sql
    assert where.sql.count("?") == len(where.parameters)


@settings(max_examples=300)
@given(st.lists(_tokens | _words, max_size=12).map("".join))
def test_any_text_is_refused_or_becomes_parameters(query: str) -> None:
    try:
        where = condition(query, EVENTS, lake.NOW)
    except QueryError:
        return
    _only_parameters(where)


@settings(max_examples=60, deadline=None)
@given(query=st.lists(_tokens, max_size=8).map(" ".join))
def test_what_is_accepted_runs(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    try:
        where = condition(query, EVENTS, lake.NOW)
    except QueryError:
        return
    connection.execute(f"SELECT count(*) FROM events WHERE {where.sql}", list(where.parameters))  # noqa: S608 - ours


_patterns = st.lists(st.sampled_from(["%", "_", "\\%", "\\_", "\\\\", "a", "B", "İ", "é", "\n"]), max_size=5)


@settings(deadline=None)
@given(st.none() | st.text("aAbB%_\\İiéÉ\n", max_size=6), _patterns.map("".join))
def test_a_pattern_fits_what_like_says(text: str | None, pattern: str) -> None:
    where = fits("lower(t)", pattern)
    one = "SELECT {} FROM (SELECT ?::VARCHAR AS t)"
    with duckdb.connect() as connection:
        (told,) = connection.execute(one.format(where.sql), [*where.parameters, text]).fetchall()
        like = one.format("lower(t) LIKE lower(?) ESCAPE '\\'")
        assert connection.execute(like, [pattern, text]).fetchall() == [told]


@given(_words.filter(lambda word: "\0" not in word))
def test_quoted_text_finds_exactly_itself(word: str) -> None:
    quoted = '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
    node = search.parse(f"path:{quoted}")
    assert isinstance(node, search.Match)
    assert isinstance(node.value, search.Text)
    assert node.value.literal == word
    assert not node.value.wild


def test_every_alias_stands_for_a_column() -> None:
    names = {column.name for column in columns.EVENTS}
    assert names <= set(EVENTS.by_name)
    assert set(EVENT_ALIASES) <= set(EVENTS.by_name)
    assert {column.name for column in columns.ALERTS} <= set(ALERTS.by_name)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("now", 10**18),
        ("-1h", 10**18 - 3600 * 10**9),
        ("2d", 10**18 - 2 * 86_400 * 10**9),
        ("1970-01-02", 86_400 * 10**9),
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01 00:01", 60 * 10**9),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T02:00:00+02:00", 0),
    ],
)
def test_times_as_analysts_write_them(text: str, nanoseconds: int) -> None:
    assert moments.parse(text, 10**18) == nanoseconds


@given(st.text(max_size=40) | st.from_regex(moments._ISO, fullmatch=True))  # noqa: SLF001 - its own shape
def test_any_text_is_a_time_or_refused(text: str) -> None:
    with contextlib.suppress(QueryError):
        assert 0 <= moments.parse(text, 10**18) <= moments.LATEST


@given(st.integers(0, moments.LATEST))
def test_times_survive_a_round_trip(nanoseconds: int) -> None:
    assert moments.parse(moments.to_iso(nanoseconds), 0) == nanoseconds // 1000 * 1000


def test_a_slow_query_is_stopped(connection: duckdb.DuckDBPyConnection) -> None:
    slow = "SELECT count(*) FROM range(3000000) a, range(3000000) b WHERE a.range * b.range % 7 = 3"
    with pytest.raises(QueryError, match="stopped after"):
        fetch.rows(connection, queries.Query(slow), 0.5)


def test_a_snapshot_whose_file_is_gone_is_named(tmp_path: Path) -> None:
    made = lake.make(tmp_path)
    for path in tmp_path.glob("events*.parquet"):
        path.unlink()
    with pytest.raises(StoreError, match="snapshot cannot be read"):
        fetch.connect(made.snapshot, 1 << 28)
    with pytest.raises(StoreError, match="is the collector running"):
        fetch.connect(tmp_path / "none", 1 << 28)
