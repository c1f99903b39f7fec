"""A rule of Sigma's that matches an event, as a finding of ours: about whom, in which words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from evidence.kind import kind_of

from ..alert import Severity
from ..by_person import session_of
from ..one_event import finding, who
from ..record import Record
from ..rule import Correlation as Fold
from ..rule import Detection, Finding
from .correlate import State
from .document import Correlation, Rule
from .judge import Matched
from .tuned import parameters

QUIET: frozenset[Severity] = frozenset({"informational", "low"})
"""Levels that only add risk: one event an hour stands for all that are alike."""
HOUR = 3_600_000_000_000
_SHOWN = 200
"""Characters of a field in a finding."""
_DETAILS = 12


def described(rule: Rule | Correlation) -> Detection | Fold:
    """Return a rule as the engine tells of it; it is asked in a way of its own."""
    if isinstance(rule, Correlation):
        return Fold(
            id=rule.id,
            version=rule.version,
            title=rule.title,
            severity=rule.severity,
            attack=rule.attack,
            kinds=(),
            state=State,
            step=lambda _state, _record, _site: (),
            hits=(),
            misses=(),
            parameters=parameters(rule),
        )
    return Detection(
        id=rule.id,
        version=rule.version,
        title=rule.title,
        severity=rule.severity,
        attack=rule.attack,
        kinds=(),
        find=lambda _record, _site: None,
        hits=(),
        misses=(),
    )


def found(rule: Rule, seen: Sequence[Matched], record: Record) -> Finding:
    """Return that an event matches a rule; seen is by which views, the first of which gives the words."""
    values = seen[0].values if seen else {}
    shown = {name: text[:_SHOWN] for name, text in list(values.items())[:_DETAILS]}
    does = _shown(seen, record.event.body)
    summary = f"{rule.title}: {who(record, 'somebody')} on {record.host}: {does}"
    return msgspec.structs.replace(finding(record, about(rule, record), summary), details=shown)


def about(rule: Rule, record: Record) -> str:
    """Return who and what a match is about, within its host; of quiet rules within the hour too."""
    said = f"{session_of(record)}|{subject(record.event.body)}"
    return f"{said}|{record.event.time // HOUR}" if rule.severity in QUIET else said


def subject(body: Any) -> str:
    """Return what an event is about: a program, a file, an address, a name."""
    for name in ("exe", "path", "name", "subject", "program"):
        said = getattr(body, name, None)
        if said:
            return str(said)
    remote = getattr(body, "remote", None)
    if remote is not None:
        return str(remote.ip)
    actor = getattr(body, "actor", None)
    return str(actor.exe) if actor is not None and actor.exe else kind_of(body)


def _shown(seen: Sequence[Matched], body: Any) -> str:
    """Return the words that an analyst reads first: a command line, a path, a line of a log."""
    text = seen[0].text if seen else None
    return (text or subject(body))[:_SHOWN]
