"""Batches and alerts as the Arrow tables of one commit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec
import pyarrow as pa
from pyarrow import compute

from . import columns, extract
from .alert import Alert
from .columns import TableName
from .fold import Folded
from .record import Person

Columns = dict[str, pa.Array | pa.ChunkedArray]


def events(batches: Sequence[Folded]) -> pa.Table:
    """Return the events of all batches, one row each."""
    listed = list(chain.from_iterable(folded.batch.events for folded in batches))
    if not listed:
        return columns.schema("events").empty_table()
    order, found = extract.event_columns(listed)
    rows = pa.array(order, pa.int64())
    bodies = list(chain.from_iterable(folded.batch.bodies for folded in batches))
    persons = list(chain.from_iterable(folded.persons for folded in batches))
    made: Columns = dict(found)
    made["body"] = extract.array(bodies, pa.string()).take(rows)
    made |= {name: values.take(rows) for name, values in _origin(batches).items()}
    made |= _persons([persons[at] for at in order], made.get("fingerprint"))
    return _table("events", made, len(order))


def _origin(batches: Sequence[Folded]) -> Columns:
    """Return the columns that are the same for all events of a batch, each as long as all events."""
    of_batch: dict[str, list[Any]] = {
        "agent": [folded.batch.said.agent for folded in batches],
        "epoch": [folded.batch.said.epoch for folded in batches],
        "boot": [folded.batch.said.boot for folded in batches],
        "host": [folded.host for folded in batches],
        "ledger_index": [folded.batch.index for folded in batches],
        "lane": [folded.batch.said.lane for folded in batches],
        "received": [folded.batch.received for folded in batches],
        "contested": [folded.contested for folded in batches],
    }
    numbers = pa.array(
        chain.from_iterable([at] * len(folded.batch.events) for at, folded in enumerate(batches)), pa.int64()
    )
    schema = columns.schema("events")
    return {
        name: extract.array(values, schema.field(name).type).take(numbers)
        for name, values in of_batch.items()
    }


def _persons(persons: list[Person | None], fingerprint: pa.ChunkedArray | None) -> Columns:
    """Return who is behind each row; a login's own fingerprint stands before that of its person."""
    text = pa.string()
    nobody = Person("", "uid")
    given = [person or nobody for person in persons]
    found: Columns = {
        "person": extract.array([None if person is nobody else person.name for person in given], text),
        "how": extract.array([None if person is nobody else person.how for person in given], text),
        "person_source": extract.array([person.source for person in given], text),
    }
    theirs = extract.array([person.fingerprint for person in given], text)
    found["fingerprint"] = theirs if fingerprint is None else compute.coalesce(fingerprint, theirs)
    return found


def batches(folded: Sequence[Folded]) -> pa.Table:
    """Return one row for each statement."""
    rows = [_batch_row(item) for item in folded]
    return _from_rows("batches", rows)


def _batch_row(folded: Folded) -> dict[str, Any]:
    batch, said = folded.batch, folded.batch.said
    return {
        "agent": said.agent,
        "epoch": said.epoch,
        "lane": said.lane,
        "seq": said.seq,
        "digest": batch.digest,
        "ledger_index": batch.index,
        "entry": batch.entry.name.lower(),
        "events": said.events,
        "stored": len(batch.events),
        "state": batch.state,
        "first_time": said.first_time,
        "last_time": said.last_time,
        "first_seq": said.first_seq,
        "last_seq": said.last_seq,
        "received": batch.received,
        "sent": said.sent,
        "boot": said.boot,
        "version": said.version,
        "loss": _json(said.loss),
        "dropped": _json(said.dropped),
        "contested": folded.contested,
    }


def alerts(found: Sequence[Alert]) -> pa.Table:
    """Return one row for each alert."""
    return _from_rows("alerts", [_alert_row(alert) for alert in found])


def _alert_row(alert: Alert) -> dict[str, Any]:
    person = alert.person
    return {
        "id": alert.id,
        "rule": alert.rule,
        "version": alert.version,
        "severity": alert.severity,
        "title": alert.title,
        "summary": alert.summary,
        "time": alert.time,
        "detected": alert.detected,
        "agent": alert.agent,
        "host": alert.host,
        "person": person.name if person else None,
        "how": person.how if person else None,
        "session": person.session if person else None,
        "person_source": person.source if person else None,
        "fingerprint": person.fingerprint if person else None,
        "destination": alert.destination,
        "bytes_out": alert.bytes_out,
        "evidence": alert.evidence,
        "attack": alert.attack,
        "details": _json(alert.details),
    }


def _json(value: Any) -> str | None:
    return msgspec.json.encode(value).decode() if value else None


def _from_rows(name: TableName, rows: list[dict[str, Any]]) -> pa.Table:
    schema = columns.schema(name)
    made: Columns = {
        field.name: extract.array([row[field.name] for row in rows], field.type) for field in schema
    }
    return _table(name, made, len(rows))


def _table(name: TableName, made: Columns, length: int) -> pa.Table:
    """Return the table with all columns in order; those nobody filled are NULL."""
    schema = columns.schema(name)
    return pa.table(
        [made[field.name] if field.name in made else pa.nulls(length, field.type) for field in schema],
        schema=schema,
    )
