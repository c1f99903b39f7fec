"""Events as NDJSON. What this version does not know survives a round trip; a bad line costs no other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Union

import msgspec

from .event import Event
from .kind import Body, Part
from .kinds import BY_NAME

LINE_LIMIT = 262_144
"""Bytes; a longer line is malformed."""


class Unknown(msgspec.Struct, frozen=True, gc=False):
    """An event of a newer version: its exact line, and what could be told of it."""

    line: bytes
    seq: int
    time: int
    mono: int
    kind: str
    known: Event[Body] | None


class Malformed(msgspec.Struct, frozen=True, gc=False):
    """A line that is no event; number counts from 1."""

    number: int
    reason: str


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """The events of a batch, and the lines that were none.

    is_plain: every line is an event of this version; then there is neither an `Unknown` nor a malformed line.
    """

    events: list[Event[Body] | Unknown]
    malformed: list[Malformed]
    is_plain: bool = False


class _Frame(msgspec.Struct, frozen=True, gc=False):
    """The part every event has, whatever its version."""

    seq: int
    time: int
    mono: int
    body: dict[str, Any]


_BODIES: Any = Union[tuple(BY_NAME.values())]  # noqa: UP007 - the members are found at run time
_decoder: msgspec.json.Decoder[Event[Body]] = msgspec.json.Decoder(Event[_BODIES])
_frame = msgspec.json.Decoder(_Frame)
_encoder = msgspec.json.Encoder()


def encode(events: Iterable[Event[Body] | Unknown]) -> bytes:
    """Return events as NDJSON, one line each; an `Unknown` is written as it was read."""
    rows = list(events)
    if not any(isinstance(row, Unknown) for row in rows):
        return _encoder.encode_lines(rows)
    return b"".join(
        row.line + b"\n" if isinstance(row, Unknown) else _encoder.encode(row) + b"\n" for row in rows
    )


def encode_plain(events: Sequence[Event[Body]]) -> bytes:
    """Return events of this version as NDJSON, as `encode` does."""
    return _encoder.encode_lines(events)


def encode_line(event: Event[Body]) -> bytes:
    """Return event as one line, without its end."""
    return _encoder.encode(event)


def decode(data: bytes) -> Decoded:
    """Read NDJSON. The usual batch takes one pass; an unknown or bad line sends it through line by line."""
    try:
        events: Any = _decoder.decode_lines(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode_each(data)
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    return Decoded(events, [], is_plain=True) if len(events) == lines else _decode_each(data)


def decode_own(data: bytes) -> list[Event[Body]] | None:
    """Return the events of NDJSON that is just what `encode_plain` writes; None where it is anything else."""
    try:
        events: Any = _decoder.decode_lines(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return events if _encoder.encode_lines(events) == data else None


def _decode_each(data: bytes) -> Decoded:
    events: list[Event[Body] | Unknown] = []
    malformed: list[Malformed] = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        if len(line) > LINE_LIMIT:
            malformed.append(Malformed(number, f"{len(line)} bytes, more than {LINE_LIMIT}"))
            continue
        try:
            events.append(_decode_line(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            malformed.append(Malformed(number, str(error)))
    return Decoded(events, malformed)


def _decode_line(line: bytes) -> Event[Body] | Unknown:
    try:
        return _decoder.decode(line)
    except msgspec.ValidationError as error:
        frame = _frame.decode(line)
        kind = frame.body.get("kind")
        if not isinstance(kind, str):
            raise msgspec.ValidationError("body.kind is not a string") from error
        if kind not in BY_NAME:
            return Unknown(line, frame.seq, frame.time, frame.mono, kind, None)
        pruned = prune(frame.body, BY_NAME[kind])
        known = msgspec.convert(pruned, BY_NAME[kind])
        return Unknown(
            line, frame.seq, frame.time, frame.mono, kind, Event(frame.seq, frame.time, frame.mono, known)
        )


def prune(fields: dict[str, Any], shape: type[Part]) -> dict[str, Any]:
    """Return fields without those that shape, or a part nested in it, does not have."""
    kept: dict[str, Any] = {}
    for field in msgspec.structs.fields(shape):
        if field.encode_name in fields:
            kept[field.encode_name] = _prune_value(fields[field.encode_name], field.type)
    tag_field = shape.__struct_config__.tag_field
    if tag_field is not None and tag_field in fields:
        kept[tag_field] = fields[tag_field]
    return kept


def _prune_value(value: Any, shape: Any) -> Any:
    part = _part_in(shape)
    if part is None:
        return value
    if isinstance(value, dict):
        return prune(value, part)
    if isinstance(value, list):
        return [prune(item, part) if isinstance(item, dict) else item for item in value]
    return value


def _part_in(shape: Any) -> type[Part] | None:
    if isinstance(shape, type) and issubclass(shape, Part):
        return shape
    for inner in getattr(shape, "__args__", ()):
        found = _part_in(inner)
        if found is not None:
            return found
    return None
