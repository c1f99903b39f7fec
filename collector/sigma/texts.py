"""The texts of an event's fields under the names that a correlation's rules give them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..record import Record
from .correlate import Told
from .decide import SHARED
from .judge import Matched, told


def texts(seen: Sequence[Matched], record: Record) -> Told:
    """Return a function from a field's name to its text, in the first view that tells it."""

    def text(name: str) -> str | None:
        if name in SHARED:
            return _shared(name, record)
        for one in seen:
            field = one.view.field(name)
            if field is not None:
                return told(field, record.event.body)
        return None

    return text


def _shared(name: str, record: Record) -> str | None:
    if name == "person":
        return record.person.name if record.person is not None else None
    return record.agent if name == "agent" else record.host
