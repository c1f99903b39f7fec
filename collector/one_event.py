"""What detections share: the finding that one event is, and the words for who did it."""

from __future__ import annotations

from evidence.kind import Actor

from .alert import Severity
from .record import Record
from .rule import Finding


def finding(
    record: Record, about: str, summary: str, *, severity: Severity | None = None, **details: str
) -> Finding:
    """Return that an event was found; about says, within its host, who or what it is about."""
    return Finding(
        entity=f"{record.agent}|{about}",
        summary=summary,
        time=record.event.time,
        agent=record.agent,
        host=record.host,
        evidence=(record.uid,),
        person=record.person,
        severity=severity,
        details=details,
    )


def who(record: Record, otherwise: str) -> str:
    """Return the name of the person behind an event, or what to say where none is known."""
    return record.person.name if record.person else otherwise


def program(actor: Actor) -> str:
    """Return the base name of the program that acts; empty where it is not known."""
    return (actor.exe or "").rpartition("/")[2]
