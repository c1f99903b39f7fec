"""Events as Arrow columns, by the fields their kinds have: a new kind fills the columns it has fields for.

Rows are grouped by kind and each column is read off a whole group at once; there is no dict for a row.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Callable, Sequence
from itertools import accumulate, chain
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa

from evidence.event import Event
from evidence.kind import Part

from . import columns

Values = list[Any]
Getter = Callable[[Values], Values]
"""Reads one column's values off the bodies of one kind."""

_FIELDS: dict[str, tuple[str, ...]] = {
    "kind": ("opaque",),
    "pid": ("pid", "actor.pid"),
    "start": ("start", "actor.start"),
    "ppid": ("ppid",),
    "parent_start": ("parent_start",),
    "exe": ("exe", "actor.exe"),
    "cmd_line": ("argv", "command", "actor.cmd_line"),
    "argv": ("argv",),
    "cwd": ("cwd",),
    "sha256": ("sha256", "after.sha256"),
    "uid": ("uid", "actor.uid"),
    "euid": ("euid",),
    "auid": ("auid", "actor.auid"),
    "session": ("session", "actor.session"),
    "user_name": ("user",),
    "login": ("login",),
    "target_user": ("target",),
    "fingerprint": ("fingerprint",),
    "direction": ("direction",),
    "protocol": ("protocol",),
    "name": ("name", "remote.name", "source.name"),
    "flow": ("flow",),
    "bytes_out": ("bytes_out",),
    "bytes_in": ("bytes_in",),
    "duration": ("duration",),
    "path": ("path",),
    "tree": ("tree",),
    "unit": ("unit", "actor.unit"),
    "container": ("container", "actor.container"),
}
"""Column to the fields it may come from; the first that a kind has is read."""
_ENDS = {"src": ("source",), "dst": ("server", "local")}
"""Sides of kinds without a direction; with one, who opened the connection is src."""
_OUTCOMES = {"login.accepted": "success", "login.failed": "failure"}
_CLASSES = {
    "process": 1007,
    "file": 1001,
    "connection": 4001,
    "dns": 4003,
    "login": 3002,
    "session": 3002,
    "identity": 3002,
    "privilege": 3002,
}
_SCHEMA = columns.schema("events")
_STAMPS = ("seq", "time", "mono")


class Opaque(msgspec.Struct, frozen=True, gc=False):
    """Stands for the body of a kind this version does not know; its JSON is kept beside it."""

    opaque: str


def event_columns(events: Sequence[Event[Any]]) -> tuple[list[int], dict[str, pa.ChunkedArray]]:
    """Return the order of the rows, as indices into events, and the columns that events alone give.

    A value that does not fit its column (an integer beyond 64 bits) is NULL there; the body has it.
    """
    groups: dict[type, list[int]] = {}
    for at, event in enumerate(events):
        groups.setdefault(type(event.body), []).append(at)
    order = list(chain.from_iterable(groups.values()))
    found: dict[str, list[pa.Array]] = {}
    for done, (shape, rows) in enumerate(groups.items()):
        for name, values in _group(shape, [events[at].body for at in rows]).items():
            chunks = found.setdefault(name, [])
            chunks.extend(_nulls(name, list(groups.values())[len(chunks) : done]))
            chunks.append(values)
    for name, chunks in found.items():
        chunks.extend(_nulls(name, list(groups.values())[len(chunks) :]))
    stamped = [events[at] for at in order]
    found |= {name: [array(list(map(attrgetter(name), stamped)), pa.int64())] for name in _STAMPS}
    return order, {name: pa.chunked_array(chunks, _SCHEMA.field(name).type) for name, chunks in found.items()}


def _nulls(name: str, groups: Sequence[list[int]]) -> list[pa.Array]:
    return [pa.nulls(len(rows), _SCHEMA.field(name).type) for rows in groups]


def _group(shape: type, bodies: Values) -> dict[str, pa.Array]:
    """Return the columns that bodies of one kind fill."""
    made = {name: array(getter(bodies), _SCHEMA.field(name).type) for name, getter in getters(shape).items()}
    kind = shape.__struct_config__.tag  # type: ignore[attr-defined]
    if isinstance(kind, str):
        made["kind"] = pa.repeat(kind, len(bodies))
        made["class_uid"] = pa.repeat(_CLASSES.get(kind.split(".")[0], 0), len(bodies))
    else:
        made["class_uid"] = pa.repeat(0, len(bodies))
    return made


@functools.cache
def getters(shape: type) -> dict[str, Getter]:
    """Return what reads each column off bodies of a kind; columns it has no field for are left out."""
    fields = {field.name: field.type for field in msgspec.structs.fields(shape)}
    found: dict[str, Getter] = {}
    for column, candidates in _FIELDS.items():
        for candidate in candidates:
            getter = _getter(column, candidate, fields)
            if getter is not None:
                found[column] = getter
                break
    found |= _ends(fields)
    kind = shape.__struct_config__.tag  # type: ignore[attr-defined]
    if kind in _OUTCOMES:
        found["outcome"] = lambda bodies: [_OUTCOMES[kind]] * len(bodies)
    elif "allowed" in fields:
        found["outcome"] = lambda bodies: ["success" if body.allowed else "failure" for body in bodies]
    return found


def _getter(column: str, path: str, fields: dict[str, Any]) -> Getter | None:
    """Return what reads path, if the kind has it with a type that fits the column."""
    name, _, inner = path.partition(".")
    if name not in fields:
        return None
    if column == "cmd_line" and name == "argv":
        return lambda bodies: [" ".join(body.argv) for body in bodies]
    if not inner:
        return _read(name) if _fits(column, fields[name]) else None
    part = next((item for item in _members(fields[name]) if _is_part(item)), None)
    within = {} if part is None else {field.name: field.type for field in msgspec.structs.fields(part)}
    return _read_inner(name, inner) if inner in within and _fits(column, within[inner]) else None


def _read(name: str) -> Getter:
    read = attrgetter(name)
    return lambda bodies: list(map(read, bodies))


def _read_inner(name: str, inner: str) -> Getter:
    blank, outer, read = types.SimpleNamespace(**{inner: None}), attrgetter(name), attrgetter(inner)
    return lambda bodies: [read(outer(body) or blank) for body in bodies]


def _ends(fields: dict[str, Any]) -> dict[str, Getter]:
    """Return what reads the addresses: src is the side that opened the connection or logged in."""
    found: dict[str, Getter] = {}
    for side, inbound in (("src", "remote"), ("dst", "local")):
        for part in ("ip", "port"):
            if "direction" in fields and "remote" in fields:
                found[f"{side}_{part}"] = _by_direction(part, inbound)
            else:
                name = next((name for name in _ENDS[side] if name in fields), None)
                if name is not None:
                    found[f"{side}_{part}"] = _read_inner(name, part)
    return found


def _by_direction(part: str, inbound: str) -> Getter:
    into, out = (attrgetter(f"{end}.{part}") for end in (inbound, _other(inbound)))
    return lambda bodies: [into(body) if body.direction == "in" else out(body) for body in bodies]


def _other(end: str) -> str:
    return "local" if end == "remote" else "remote"


def _members(annotation: Any) -> list[Any]:
    """Return the plain types an annotation is made of; a Literal counts as the types of its values."""
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return [type(value) for value in arguments]
    if not arguments or typing.get_origin(annotation) in (tuple, dict, list):
        return [annotation]
    return list(chain.from_iterable(_members(item) for item in arguments))


def _is_part(item: Any) -> bool:
    return isinstance(item, type) and issubclass(item, Part)


def _fits(column: str, annotation: Any) -> bool:
    wanted = {pa.string(): str, pa.int64(): int}.get(_SCHEMA.field(column).type, tuple[str, ...])
    return wanted in _members(annotation)


def array(values: Values, kind: pa.DataType) -> pa.Array:
    """Return values as an Arrow array; one that does not fit becomes NULL."""
    try:
        return _lists(values) if pa.types.is_list(kind) else pa.array(values, kind)
    except (OverflowError, UnicodeEncodeError, pa.ArrowException):
        return pa.concat_arrays([_single(value, kind) for value in values])


def _lists(values: Values) -> pa.Array:
    offsets = pa.array(accumulate(map(len, values), initial=0), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(list(chain.from_iterable(values)), pa.string()))


def _single(value: Any, kind: pa.DataType) -> pa.Array:
    try:
        return pa.array([value], kind)
    except (OverflowError, UnicodeEncodeError, pa.ArrowException):
        return pa.nulls(1, kind)
