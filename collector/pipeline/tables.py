"""Batches, sessions and alerts as the Arrow tables of one commit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec
import pyarrow as pa

from ..alert import Alert
from ..lake import columns, extract
from ..lake.columns import TableName
from ..record import Person, SessionRevision
from .fold import Folded


def rows(folded: Sequence[Folded]) -> dict[TableName, pa.Table]:
    """Return what is stored of batches; the texts of their events are not in it."""
    return {"events": events(folded), "batches": batches(folded), "sessions": sessions(folded)}


def events(unsorted: Sequence[Folded]) -> pa.Table:
    """Return the events of all batches with the schema `extract.TOLD`, those of an agent together."""
    batches = _sorted(unsorted)
    found = {
        "exact": _exact(batches),
        **_stamps(batches),
        **_persons(list(chain.from_iterable(folded.persons for folded in batches))),
        **_origin(batches),
    }
    return pa.table([found[name] for name in extract.TOLD.names], schema=extract.TOLD)


def texts(unsorted: Sequence[Folded]) -> list[bytes]:
    """Return the events of all batches as NDJSON, in pieces, in the order of `events`."""
    return list(chain.from_iterable(folded.batch.texts for folded in _sorted(unsorted)))


def _sorted(batches: Sequence[Folded]) -> list[Folded]:
    return sorted(batches, key=lambda folded: folded.batch.said.agent)


def _exact(batches: Sequence[Folded]) -> pa.Array:
    exact = list(chain.from_iterable(folded.batch.exact for folded in batches))
    return array(exact, pa.string()) if any(exact) else pa.nulls(len(exact), pa.string())


def _stamps(batches: Sequence[Folded]) -> dict[str, pa.Array]:
    stamps = [stamps for folded in batches for stamps in folded.batch.stamps]
    return {
        name: extract.numbers([one[at] for one in stamps]) for at, name in enumerate(("seq", "time", "mono"))
    }


def _origin(batches: Sequence[Folded]) -> dict[str, pa.Array]:
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
        chain.from_iterable([at] * len(folded.persons) for at, folded in enumerate(batches)), pa.int64()
    )
    return {
        name: array(values, extract.ARRIVING.field(name).type).take(numbers)
        for name, values in of_batch.items()
    }


def _persons(persons: list[Person | None]) -> dict[str, pa.Array]:
    made: dict[str, list[Any]] = {
        "person": [person and person.name for person in persons],
        "how": [person and person.how for person in persons],
        "person_source": [person and person.source for person in persons],
        "person_fingerprint": [person and person.fingerprint for person in persons],
        "person_evidence": [person.because or None if person else None for person in persons],
    }
    return {name: array(values, extract.ARRIVING.field(name).type) for name, values in made.items()}


def batches(folded: Sequence[Folded]) -> pa.Table:
    """Return one row for each statement."""
    return _from_rows("batches", [_batch_row(item) for item in folded])


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
        "stored": len(folded.persons),
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
        "entity": alert.entity,
        "revision": alert.revision,
        "version": alert.version,
        "staged": alert.staged,
        "severity": alert.severity,
        "title": alert.title,
        "summary": alert.summary,
        "time": alert.time,
        "detected": alert.detected,
        "agent": alert.agent,
        "host": alert.host,
        "person": person.name if person else None,
        "how": person.how if person else None,
        "boot": alert.boot,
        "session": person.session if person else None,
        "chain": _json(person.chain) if person else None,
        "person_source": person.source if person else None,
        "fingerprint": person.fingerprint if person else None,
        "destination": alert.destination,
        "bytes_out": alert.bytes_out,
        "evidence": alert.evidence,
        "attack": alert.attack,
        "details": _json(alert.details),
    }


def sessions(folded: Sequence[Folded]) -> pa.Table:
    """Return one row for each revision of a session."""
    return _from_rows("sessions", [_session_row(one) for batch in folded for one in batch.sessions])


def _session_row(session: SessionRevision) -> dict[str, Any]:
    person = session.person
    return {
        "agent": session.agent,
        "boot": session.boot,
        "session": session.session,
        "host": session.host,
        "user": session.user,
        "person": person.name,
        "how": person.how,
        "source": person.source,
        "fingerprint": person.fingerprint,
        "login_source": session.source,
        "login_fingerprint": session.fingerprint,
        "opened": session.opened,
        "closed": session.closed,
        "skew": session.skew,
        "chain": _json(person.chain),
        "evidence": session.evidence,
        "bytes_out": session.bytes_out,
        "bytes_in": session.bytes_in,
        "revised": session.revised,
    }


def _json(value: Any) -> str | None:
    return msgspec.json.encode(value).decode() if value else None


def _from_rows(name: TableName, made: list[dict[str, Any]]) -> pa.Table:
    schema = columns.schema(name)
    return pa.table([array([row[field.name] for row in made], field.type) for field in schema], schema=schema)


def array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Return values as an Arrow array; one that does not fit, such as a lone surrogate, becomes NULL."""
    try:
        return pa.array(values, kind)
    except (OverflowError, UnicodeEncodeError, pa.ArrowException):
        return pa.concat_arrays([_single(value, kind) for value in values])


def _single(value: Any, kind: pa.DataType) -> pa.Array:
    try:
        return pa.array([value], kind)
    except (OverflowError, UnicodeEncodeError, pa.ArrowException):
        return pa.nulls(1, kind)
