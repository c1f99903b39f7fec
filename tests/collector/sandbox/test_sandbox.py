"""The sandbox: what it answers, and everything it must not do."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from collector.errors import QueryError
from collector.sandbox import sandbox
from collector.sandbox.sandbox import Limits
from tests.collector.api import lake

LIMITS = Limits(seconds=20.0, memory_bytes=256 << 20, rows=1000)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lake.make(tmp_path_factory.mktemp("lake")).snapshot


def run(snapshot: Path, sql: str, limits: Limits = LIMITS) -> list[list[object]]:
    answer = sandbox.run(sql, snapshot, limits)
    return [[msgspec.json.decode(value) for value in row] for row in answer.rows]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT count(*) FROM alerts", [[1]]),
        ("FROM alerts SELECT person, bytes_out", [["alice", lake.UPLOADED]]),
        ("WITH big AS (SELECT * FROM events WHERE bytes_out > 0) SELECT count(*) FROM big;", [[1]]),
        ("SELECT unnest([1, 2]) AS x ORDER BY x", [[1], [2]]),
        ("SELECT * FROM range(2)", [[0], [1]]),
        ("SELECT utc(0)::VARCHAR", [["1970-01-01 00:00:00"]]),
        ("SELECT 170141183460469231731687303715884105727", [["170141183460469231731687303715884105727"]]),
        ("SELECT DATE '2026-01-31', '1.50'::DECIMAL(4, 2), '\\xFF'::BLOB", [["2026-01-31", "1.50", "ff"]]),
        ("SELECT MAP {'a': 1}, [1, NULL], 'nan'::FLOAT", [[{"a": 1}, [1, None], None]]),
    ],
)
def test_selects_are_answered(snapshot: Path, sql: str, rows: list[list[object]]) -> None:
    assert run(snapshot, sql) == rows


def test_explain_and_describe_are_answered(snapshot: Path) -> None:
    assert "PARQUET" in str(run(snapshot, "EXPLAIN SELECT * FROM events"))
    assert run(snapshot, "DESCRIBE events")[0][:2] == ["agent", "VARCHAR"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM '/etc/passwd.csv'",
        "SELECT (SELECT content FROM read_text('/etc/passwd'))",
        "WITH x AS (FROM read_blob('/etc/passwd')) FROM x",
        "EXPLAIN SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM query('SELECT 1')",
        "SELECT * FROM query_table('events')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM duckdb_settings",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM parquet_metadata('/etc/passwd')",
        "ATTACH '/tmp/x.db'",
        "COPY events TO '/tmp/vedette-test.csv'",
        "COPY (SELECT 1) TO '/tmp/vedette-test.csv'",
        "EXPORT DATABASE '/tmp/vedette-test'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "PRAGMA table_info('events')",
        "CALL pragma_version()",
        "SET threads = 8",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "CREATE TABLE x AS SELECT 1",
        "DROP VIEW events",
        "INSERT INTO events VALUES (1)",
        "EXPLAIN ANALYZE DROP VIEW events",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP VIEW events",
        "CHECKPOINT",
        "PREPARE x AS SELECT 1",
        "",
        ";",
        "SELECT",
        "nonsense",
        "SELECT * FROM 'https://203.0.113.9/x.parquet'",
    ],
)
def test_everything_else_is_refused_with_a_reason(snapshot: Path, sql: str) -> None:
    with pytest.raises(QueryError, match=r"^sql: .{10,}") as refused:
        sandbox.run(sql, snapshot, LIMITS)
    assert "ended without an answer" not in str(refused.value)
    assert "root:" not in str(refused.value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM range(3000000) a, range(3000000) b WHERE a.range * b.range % 7 = 3",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT sum(n) FROM t",
    ],
)
def test_what_takes_too_long_is_killed(snapshot: Path, sql: str) -> None:
    children = _children()
    with pytest.raises(QueryError, match="stopped after 1 s"):
        sandbox.run(sql, snapshot, Limits(seconds=1.0, memory_bytes=256 << 20, rows=10))
    assert _children() == children


def test_a_query_of_some_seconds_is_answered(snapshot: Path) -> None:
    """DuckDB draws a progress bar after two seconds, where it takes a person to be watching."""
    sql = "SELECT count(*) FROM range(20000) a, range(20000) b WHERE a.range * b.range % 7 = 0"
    assert run(snapshot, sql, Limits(60.0, 256 << 20, 10)) == [[20000**2 - 17142**2]]


def test_what_else_is_printed_is_not_taken_for_the_answer() -> None:
    says = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from collector.sandbox.sandbox_worker import keep_stdout\n"
        "answers = keep_stdout()\n"
        "os.write(1, b'bar'); print('noise', flush=True); answers.write(b'answer'); answers.close()\n"
    )
    command = [sys.executable, "-c", says, str(Path(__file__).parents[3])]
    assert subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=30).stdout == b"answer"


def test_what_needs_too_much_memory_is_refused(snapshot: Path) -> None:
    sql = "SELECT list(a.range || repeat('x', 10000)) FROM range(10000000) a"
    with pytest.raises(QueryError, match=r"memory|MiB"):
        sandbox.run(sql, snapshot, LIMITS)


def test_rows_are_bounded_and_the_rest_is_said(snapshot: Path) -> None:
    answer = sandbox.run("SELECT * FROM range(1000000000)", snapshot, Limits(20.0, 256 << 20, 5))
    assert (len(answer.rows), answer.truncated) == (5, True)
    assert not sandbox.run("SELECT * FROM range(5)", snapshot, Limits(20.0, 256 << 20, 5)).truncated


def test_a_long_statement_is_refused(snapshot: Path) -> None:
    with pytest.raises(QueryError, match="at most"):
        sandbox.run("SELECT " + "1," * 10_000 + "1", snapshot, LIMITS)


def test_a_deep_statement_costs_only_its_own_process(snapshot: Path) -> None:
    with pytest.raises(QueryError):
        sandbox.run("SELECT " + "abs(" * 3000 + "1" + ")" * 3000, snapshot, LIMITS)


def test_queries_run_beside_a_hung_one(snapshot: Path) -> None:
    slow = "SELECT count(*) FROM range(3000000) a, range(3000000) b WHERE a.range * b.range % 7 = 3"

    def hang() -> None:
        with pytest.raises(QueryError):
            sandbox.run(slow, snapshot, Limits(4.0, 256 << 20, 10))

    hung = threading.Thread(target=hang)
    hung.start()
    assert run(snapshot, "SELECT count(*) FROM alerts") == [[1]]
    assert hung.is_alive()
    hung.join()


def _children() -> set[int]:
    """Return this process's children that have not ended."""
    task = Path(f"/proc/{os.getpid()}/task")
    return {int(pid) for each in task.iterdir() for pid in (each / "children").read_text().split()}


@pytest.mark.root
def test_the_worker_has_no_network_and_writes_no_file(tmp_path: Path) -> None:
    """Confine a child as the worker is, and look at what it can still do."""
    probe = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from collector.sandbox.sandbox_worker import confine\n"
        "import os, socket, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "confine(5.0, 1 << 28)\n"
        "print(socket.if_nameindex())\n"
        "try:\n"
        "    f = os.open(sys.argv[2], os.O_CREAT | os.O_WRONLY); os.write(f, b'x'); print('wrote')\n"
        "except OSError as error:\n"
        "    print(error.errno)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", probe, str(Path(__file__).parents[3]), str(tmp_path / "x")],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout.splitlines()
    assert said[0] == "[(1, 'lo')]"
    assert said[1] == "27"
