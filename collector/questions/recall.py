"""Rows of the lake as the records that rules judged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from evidence.event import Event
from evidence.kinds import BY_NAME

from ..record import Person, Record

_bodies = {name: msgspec.json.Decoder(kind) for name, kind in BY_NAME.items()}


def records(rows: Iterable[dict[str, Any]]) -> list[Record]:
    """Return rows of events as records, in their order; kinds this version does not know are left out.

    A host's clock is taken as it was: its skew is not in the lake.
    """
    return [made for row in rows if (made := _record(row)) is not None]


def _record(row: dict[str, Any]) -> Record | None:
    decoder = _bodies.get(row["kind"])
    if decoder is None:
        return None
    try:
        body = decoder.decode(row["body"])
    except msgspec.DecodeError:
        return None
    event = Event(row["seq"], row["time"], row["mono"], body)
    origin = (
        row["agent"],
        row["epoch"],
        row["boot"],
        row["host"] or "",
        row["ledger_index"],
        row["received"],
    )
    return Record(*origin, event, _person(row))


def _person(row: dict[str, Any]) -> Person | None:
    if row["person"] is None:
        return None
    because = tuple(row["person_evidence"] or ())
    return Person(
        row["person"], row["how"], row["session"], row["person_source"], row["fingerprint"], because
    )
