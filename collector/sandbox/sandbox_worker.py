"""The process that runs one analyst's statement and ends: no network, no files but the snapshot's.

Two walls: DuckDB's own lock (no external access but the listed Parquet files, configuration locked), and the
process's (no network namespace but an empty one, resource limits, no new privileges, killed with its parent).
"""

from __future__ import annotations

import ctypes
import datetime as dt
import os
import re
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from ..errors import CollectorError, QueryError
from .sandbox import ANSWER_LIMIT, Answer, Task

if TYPE_CHECKING:
    import duckdb

TABLE_FUNCTIONS = frozenset(
    {"range", "generate_series", "unnest", "json_each", "json_tree", "generate_subscripts", "repeat"}
)
"""Table functions a statement may use; none of them reads a file."""
VIEWS = frozenset({"events", "alerts", "batches", "sessions"})
_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(?:ANALYZE\s+)?", re.IGNORECASE)
_CLONE_NEWNET = 0x40000000
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_BATCH = 1000
_INT_LIMIT = 1 << 63
_OWN_BYTES = 1 << 30
"""Address space for Python, DuckDB's code and its threads' stacks, beside the query's memory."""


def main() -> None:
    """Answer the task on stdin to what is stdout at the start; nothing else comes there."""
    answers = keep_stdout()
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    confine(task.limits.seconds, task.limits.memory_bytes)
    try:
        answer = _answer(task)
    except MemoryError:
        answer = Answer(error="the query needs more memory than it may have")
    with answers:
        answers.write(msgspec.json.encode(answer))
    os._exit(0)  # DuckDB need not tidy up a database in memory


def keep_stdout() -> BinaryIO:
    """Return stdout, and let what others print go nowhere: DuckDB draws a progress bar after two seconds."""
    kept = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return kept


def confine(seconds: float, memory_bytes: int) -> None:
    """Give up network, privileges to gain, and everything these limits do not grant."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # An unprivileged process needs its own user namespace for that; where that is forbidden, DuckDB's
    # own lock is what keeps the query off the network.
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    cpu = int(seconds * (os.cpu_count() or 1)) + 2
    space = 2 * memory_bytes + _OWN_BYTES
    for limit, value in (
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, space),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 1024),
    ):
        hard = resource.getrlimit(limit)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bound, bound))


def _answer(task: Task) -> Answer:
    import duckdb  # noqa: PLC0415 - only after the process is confined

    from ..lake import snapshot  # noqa: PLC0415 - as above

    try:
        image = snapshot.read(Path(task.snapshot))
        connection = snapshot.connect(image)
        lock(connection, [str(path) for path in snapshot.files(image)], task)
        admit(connection, task.sql)
        return _run(connection, task)
    except duckdb.OutOfMemoryException:
        return Answer(error=f"the query needs more than {task.limits.memory_bytes >> 20} MiB; narrow it")
    except duckdb.Error as error:
        return Answer(error=_plain_message(str(error)))
    except CollectorError as error:
        return Answer(error=str(error))


def lock(connection: duckdb.DuckDBPyConnection, files: list[str], task: Task) -> None:
    """Shut the connection off from everything but files; nothing can unlock it."""
    connection.execute(f"SET memory_limit='{task.limits.memory_bytes}B'")
    connection.execute("SET temp_directory=''")
    connection.execute("SET enable_progress_bar=false")
    connection.execute("SET python_enable_replacements=false")
    connection.execute("SET autoinstall_known_extensions=false")
    connection.execute("SET autoload_known_extensions=false")
    connection.execute("SET allowed_paths=?", [files])
    connection.execute("SET enable_external_access=false")
    connection.execute("SET lock_configuration=true")


def admit(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Let through one SELECT or EXPLAIN that uses no table function but the listed ones.

    Raises:
        QueryError: the statement is not of that kind.
        duckdb.ParserException: it is no SQL.
    """
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise QueryError(f"one statement at a time; here are {len(statements)}")
    kind = statements[0].type.name
    text = statements[0].query
    if kind == "EXPLAIN":
        text = _EXPLAIN.sub("", text, count=1)
    elif kind != "SELECT":
        raise QueryError(f"only SELECT and EXPLAIN are allowed here, not {kind}")
    row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [text]).fetchone()
    tree = msgspec.json.decode(row[0]) if row else {"error": True}
    if tree["error"]:  # PRAGMA and SHOW pass as SELECT, but cannot be serialised
        raise QueryError("only SELECT and EXPLAIN SELECT are allowed here")
    nodes = list(_nodes(tree))
    named = {
        str(one.get("key", "")).lower()
        for node in nodes
        for one in (node.get("cte_map") or {}).get("map", ())
    }
    for node in nodes:
        _admit_node(node, named)


def _admit_node(node: dict[str, Any], named: set[str]) -> None:
    """Let through a node of the syntax tree; named are the statement's own WITH queries."""
    if node.get("type") == "TABLE_FUNCTION":
        name = str((node.get("function") or {}).get("function_name", "")).lower()
        if name not in TABLE_FUNCTIONS:
            raise QueryError(f"the table function {name!r} is not allowed; query events, alerts or batches")
    if node.get("type") == "BASE_TABLE":
        name = str(node.get("table_name", ""))
        if name.lower() not in named and name.lower() not in VIEWS:
            raise QueryError(f"there is no table {name[:80]!r}; there are events, alerts and batches")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _run(connection: duckdb.DuckDBPyConnection, task: Task) -> Answer:
    cursor = connection.execute(task.sql)
    columns = tuple(str(item[0]) for item in cursor.description or ())
    types = tuple(str(item[1]) for item in cursor.description or ())
    rows: list[tuple[msgspec.Raw, ...]] = []
    size = 0
    while batch := cursor.fetchmany(min(_BATCH, task.limits.rows + 1 - len(rows))):
        for row in batch:
            values = tuple(msgspec.Raw(msgspec.json.encode(plain(value))) for value in row)
            size += sum(len(bytes(value)) + 1 for value in values)
            if len(rows) == task.limits.rows or size > ANSWER_LIMIT // 2:
                return Answer(columns, types, tuple(rows), truncated=True)
            rows.append(values)
    return Answer(columns, types, tuple(rows))


def plain(value: Any) -> Any:
    """Return a value of DuckDB's as JSON can hold it; what has no JSON form becomes text."""
    match value:
        case None | bool() | str() | float():
            return value
        case int():
            return value if -_INT_LIMIT <= value < _INT_LIMIT else str(value)
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case dt.date() | dt.time():
            return value.isoformat()
        case _:
            return value.hex() if isinstance(value, bytes | bytearray) else str(value)


def _plain_message(message: str) -> str:
    """Return the part of DuckDB's message an analyst can use."""
    if "pytz" in message:
        return "a column is TIMESTAMP WITH TIME ZONE; cast it with ::TIMESTAMP"
    return message.partition("\n\nLINE")[0].strip()[:1000]
