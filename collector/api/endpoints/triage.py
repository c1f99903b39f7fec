"""Triage of alerts and incidents: state, label, assignee, notes. Each change is an act first."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

import duckdb
import msgspec

from ...questions import alert_queries
from ...users import Role
from ...verdicts import triage
from ...verdicts.triage import Change, Finding, Label, Standing, State
from ..endpoint import Call, Endpoint, Stream
from ..errors import ApiError
from ..parameter import Parameter
from . import incidents
from .alerts import find

_ID_BYTES = 8
SHOWN_LIMIT = 500
"""Changes that an answer shows."""
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]


class WantedTriage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is noted of an alert or an incident; a label closes it."""

    state: State | None = None
    label: Label | None = None
    assignee: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    note: _Text | None = None


class Triaged(msgspec.Struct, frozen=True):
    """Where it stands now, how many findings that is about, and what was noted last, the oldest first."""

    standing: Standing
    findings: int
    changes: list[Change]


def _note(call: Call) -> msgspec.Struct | Stream:
    wanted: WantedTriage = call.body
    state = "closed" if wanted.label is not None and wanted.state is None else wanted.state
    if wanted.label is not None and state != "closed":
        raise ApiError(400, "bad_request", "label: what it was is said when it is closed", "label")
    if wanted == WantedTriage():
        raise ApiError(400, "bad_request", "state: give a state, a label, an assignee or a note", "state")
    on = _findings(call)
    author = call.user.name if call.user is not None else ""
    now = call.services.clock()
    made = Change(
        secrets.token_hex(_ID_BYTES), author, now, on, state, wanted.label, wanted.assignee, wanted.note
    )
    call.services.record(msgspec.structs.replace(triage.act(made), source=call.source))
    call.services.triages.add(made)
    return _told(call, on)


def _show(call: Call) -> msgspec.Struct | Stream:
    return _told(call, _findings(call))


def _told(call: Call, on: tuple[Finding, ...]) -> Triaged:
    changes = {one.id: one for finding in on for one in call.services.triages.history(finding)}
    ordered = sorted(changes.values(), key=lambda one: (one.time, one.id))
    return Triaged(triage.standing(ordered), len(on), ordered[-SHOWN_LIMIT:])


def _findings(call: Call) -> tuple[Finding, ...]:
    """Return rule and entity of the alert, or of every finding of the incident, that the id stands for."""
    asked = call.values["id"]
    with call.connect() as connection:
        found = call.rows(connection, alert_queries.alert(asked))
        rows = [find(found, asked, "id")] if found else _of_incident(call, connection, asked)
    return tuple((str(row["rule"]), str(row["entity"])) for row in rows)


def _of_incident(call: Call, connection: duckdb.DuckDBPyConnection, asked: str) -> list[dict[str, Any]]:
    story = incidents.find(call, connection, asked, suppressed=True)
    ids = sorted({entry.alert for entry in story.timeline})[: triage.ON_LIMIT]
    return call.rows(connection, alert_queries.findings(ids))


_ID = Parameter("id", "text", "id of an alert or an incident, or its beginning", place="path", high=128)
ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/triage/{id}",
        "triage",
        "Note what an alert or an incident is: state, label, assignee, a note",
        Role.ANALYST,
        _note,
        Triaged,
        parameters=(_ID,),
        body=WantedTriage,
        object="id",
    ),
    Endpoint(
        "GET",
        "/v1/triage/{id}",
        "triage.show",
        "What was noted of an alert or an incident",
        Role.VIEWER,
        _show,
        Triaged,
        parameters=(_ID,),
        object="id",
    ),
)
