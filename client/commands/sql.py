"""`vedette sql`: one SELECT over events, alerts and batches, run by the collector in a sandbox."""

from __future__ import annotations

import argparse
import sys

import msgspec

from .. import http
from ..command import FINE, Call, Command
from ..errors import ClientError
from ..screen import Part

_NUMBERS = frozenset({"BIGINT", "INTEGER", "HUGEINT", "DOUBLE", "FLOAT", "SMALLINT", "TINYINT", "UBIGINT"})
_SQL_LIMIT = 16_384


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sql",
        nargs="?",
        help="such as: SELECT person, sum(bytes_out) FROM events GROUP BY person; from stdin without it",
    )


def _run(call: Call) -> int:
    sql = call.options.sql
    if sql is None or sql == "-":
        sql = sys.stdin.read(_SQL_LIMIT + 1)
    if not sql.strip():
        raise ClientError("no statement; try: vedette sql 'DESCRIBE events'")
    answer = http.connect(call).post("/v1/sql", {"sql": sql})
    columns, rows = answer["columns"], answer["rows"]
    if call.screen.as_json:
        for row in rows:
            call.screen.value(dict(zip(columns, row, strict=True)))
    else:
        right = [name for name, kind in zip(columns, answer["types"], strict=True) if kind in _NUMBERS]
        call.screen.table(columns, [[_cell(value) for value in row] for row in rows], right=right)
    if answer["truncated"]:
        call.screen.note(f"only the first {len(rows)} rows; add a LIMIT or narrow the statement")
    return FINE


def _cell(value: object) -> Part:
    if value is None:
        return "NULL", "dim"
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


COMMAND = Command("sql", "run one SELECT over the collector's events", _run, _arguments)
