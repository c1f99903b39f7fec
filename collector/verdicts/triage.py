"""Triage: what people made of a finding: its state, whose it is, what it turned out to be, and notes. Pure.

Each change is an act in the ledger. It is about rule and entity, so that it holds for every revision of the
alert, those to come too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from evidence.event import Event
from evidence.kind import Body
from evidence.kinds.collector import Act

VERB = "triage.note"
ON_LIMIT = 500
"""Findings that one change is about; an incident has no more."""
State = Literal["open", "acknowledged", "closed"]
STATES: tuple[State, ...] = ("open", "acknowledged", "closed")
Label = Literal["true", "benign", "false"]
LABELS: tuple[Label, ...] = ("true", "benign", "false")
"""What it was: the harm it seemed, real but allowed, or nothing of the kind."""
Finding = tuple[str, str]
"""Rule and entity."""


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """What somebody noted of some findings at a time (UTC ns); None leaves as it was."""

    id: str
    author: str
    time: int
    on: tuple[Finding, ...]
    state: State | None = None
    label: Label | None = None
    assignee: str | None = None
    note: str | None = None


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a finding stands: the newest of everything that was said of it."""

    state: State = "open"
    label: Label | None = None
    assignee: str | None = None
    time: int = 0


def standing(changes: Iterable[Change]) -> Standing:
    """Return where a finding stands after changes, the oldest first; what is opened again has no label."""
    now = Standing()
    for one in changes:
        label = None if one.state == "open" else one.label or now.label
        now = Standing(one.state or now.state, label, one.assignee or now.assignee, one.time)
    return now


def act(one: Change) -> Act:
    """Return the act that records a change."""
    said = {"state": one.state, "label": one.label, "assignee": one.assignee}
    detail = {"on": msgspec.json.encode(one.on).decode()}
    detail |= {name: str(value) for name, value in said.items() if value is not None}
    return Act(user=one.author, verb=VERB, object=one.id, detail=detail, reason=one.note)


def change(event: Event[Body]) -> Change | None:
    """Return the change that an act records; None for any other act.

    Raises:
        ValueError: it is one of ours by its verb, and says nothing that could be meant.
    """
    told = event.body
    if not isinstance(told, Act) or not told.allowed or told.object is None or told.verb != VERB:
        return None
    said = told.detail or {}
    on = msgspec.json.decode(said.get("on", "[]"), type=tuple[Finding, ...])
    own = {name: said[name] for name in ("state", "label", "assignee") if name in said}
    made = {"id": told.object, "author": told.user, "time": event.time, "on": on, "note": told.reason}
    return msgspec.convert(made | own, Change)
