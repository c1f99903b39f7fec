"""Events → rows, in SQL: DuckDB reads the columns off each event's JSON, beside Python and faster than it.

What it reads is the JSON that msgspec writes for the event the engine saw, so that columns and engine agree
also where a stranger repeats a key; the body column keeps the exact bytes that came.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from evidence import codec
from evidence.event import Event

from . import columns

ARRIVING = pa.schema(
    [
        ("json", pa.string()),
        ("exact", pa.string()),
        ("seq", pa.int64()),
        ("time", pa.int64()),
        ("mono", pa.int64()),
        ("agent", pa.string()),
        ("epoch", pa.int64()),
        ("boot", pa.string()),
        ("host", pa.string()),
        ("ledger_index", pa.int64()),
        ("lane", pa.string()),
        ("received", pa.int64()),
        ("contested", pa.bool_()),
        ("person", pa.string()),
        ("how", pa.string()),
        ("person_source", pa.string()),
        ("person_fingerprint", pa.string()),
        ("person_evidence", pa.list_(pa.string())),
    ]
)
"""What is handed over for each event. json is its body as msgspec writes it, exact as it came if not so."""
_TOGETHER = 512 << 10
"""Bytes; of less, what a step costs by itself counts, and more does not stay in the processor's cache."""
Text = bytes | bytearray
_TEXT, _NUMBER = "VARCHAR", "BIGINT"
_END = {"ip": _TEXT, "port": _NUMBER, "name": _TEXT}
SHAPE: dict[str, Any] = {
    **dict.fromkeys(("kind", "exe", "command", "cwd", "sha256", "user", "login", "target"), _TEXT),
    **dict.fromkeys(("fingerprint", "direction", "protocol", "name", "path", "tree"), _TEXT),
    **dict.fromkeys(("unit", "container", "container_runtime", "pod", "host_exe"), _TEXT),
    **dict.fromkeys(("pid", "start", "ppid", "parent_start", "uid", "euid", "auid", "session"), _NUMBER),
    **dict.fromkeys(("flow", "bytes_out", "bytes_in", "duration"), _NUMBER),
    "allowed": "BOOLEAN",
    "argv": [_TEXT],
    "after": {"sha256": _TEXT},
    **dict.fromkeys(("local", "remote", "source", "server"), _END),
    "actor": {
        **dict.fromkeys(
            ("exe", "became", "cmd_line", "unit", "container", "container_runtime", "pod"), _TEXT
        ),
        **dict.fromkeys(("pid", "start", "uid", "auid", "session"), _NUMBER),
    },
}
"""The fields that columns are made of; one that does not fit is NULL there, and the body has it."""


class Opaque(msgspec.Struct, frozen=True, gc=False):
    """Stands for the body of a kind this version does not know; its JSON is kept beside it."""

    kind: str


TOLD = ARRIVING.remove(0)
"""What is known of each event beside its text: `ARRIVING` without json, which `bodies` makes of texts."""


def arriving(told: pa.Table, texts: Iterable[Text]) -> pa.Table:
    """Return events with the schema `ARRIVING`: what is told of them, and their texts as NDJSON."""
    # One array: DuckDB reads many small chunks a fifth slower.
    made = pa.concat_arrays([pa.array([], pa.string()), *[bodies(b"".join(some)) for some in grouped(texts)]])
    return told.add_column(0, ARRIVING.field(0), made)


def grouped(texts: Iterable[Text]) -> Iterator[list[Text]]:
    """Yield texts in order, as many together as are worth a step over all of them."""
    some: list[Text] = []
    size = 0
    for text in texts:
        some.append(text)
        size += len(text)
        if size >= _TOGETHER:
            yield some
            some, size = [], 0
    if some:
        yield some


def select(relation: str) -> str:
    """Return the SQL that makes rows of the events table from a relation with the schema ARRIVING."""
    chosen = ", ".join(f'{column.source} AS "{column.name}"' for column in columns.EVENTS)
    shape = msgspec.json.encode(SHAPE).decode()
    read = f"SELECT *, json_transform(json, '{shape}') AS b FROM {relation}"  # noqa: S608 - our own names
    return f"SELECT {chosen} FROM ({read})"  # noqa: S608 - our own names


def bodies(text: Text) -> pa.Array:
    """Return the body of each line of NDJSON that msgspec wrote, as an array of text.

    A line is ``{"seq":…,"body":{…}}`` with its body last: no key of a body is called so, and within texts
    quotes are escaped and lines not broken.
    """
    ends = pa.py_buffer(array("i", (0, len(text))))
    whole = pa.Array.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(text)])
    lines = pc.split_pattern(whole, b"}\n").values[:-1]
    return pc.list_element(pc.split_pattern(lines, b',"body":', max_splits=1), 1).cast(pa.string())


def numbers(values: Sequence[array[int]]) -> pa.Array:
    """Return 64-bit numbers as one array."""
    joined = b"".join(one.tobytes() for one in values)
    return pa.Array.from_buffers(pa.int64(), len(joined) // 8, [None, pa.py_buffer(joined)])


def rows(events: Sequence[Event[Any]]) -> pa.Table:
    """Return events as rows of the events table, with what events alone give."""
    import duckdb  # noqa: PLC0415 - the process that folds has no DuckDB in its memory

    made = {name: pa.array([getattr(event, name) for event in events]) for name in ("seq", "time", "mono")}
    made["json"] = bodies(codec.encode(events))
    arriving = pa.table(
        [made.get(field.name, pa.nulls(len(events), field.type)) for field in ARRIVING], schema=ARRIVING
    )
    connection = duckdb.connect()
    connection.register("arriving", arriving)
    return connection.execute(select("arriving")).to_arrow_table()
