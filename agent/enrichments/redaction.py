"""Secrets out of whatever text an event carries, before it is kept, queued, stored or shown anywhere."""

from __future__ import annotations

import functools

import msgspec

from evidence.kind import Actor, Body
from evidence.kinds.file import Change
from evidence.kinds.process import Exec
from evidence.kinds.state import Changed

from ..enrich import Changes, Enrichment, Surroundings
from ..redaction import Redactor

_TEXTS = frozenset({"raw", "text", "message", "command", "cmd_line", "reason"})
"""Fields of any kind, a later one's too, that hold a command line or a line of a log."""


def _apply(body: Body, changes: Changes, around: Surroundings) -> None:
    if isinstance(body, Exec):
        _exec(body, changes, around)
        return
    redactor = around.redactor
    new = _texts(body, redactor)
    if isinstance(body, Change | Changed):
        new |= {"added": _lines(body.added, redactor), "removed": _lines(body.removed, redactor)}
    actor = getattr(body, "actor", None)
    if isinstance(actor, Actor) and actor.cmd_line is not None:
        clean = redactor.text(actor.cmd_line)
        if clean != actor.cmd_line:
            new["actor"] = msgspec.structs.replace(actor, cmd_line=clean)
    changes |= {name: value for name, value in new.items() if value != getattr(body, name)}


def _concerns(kind: type[Body]) -> bool:
    """Return whether a kind has a field that may hold a secret."""
    fields = kind.__struct_fields__
    return kind is Exec or bool(_text_fields(kind)) or not {"actor", "added", "removed"}.isdisjoint(fields)


def _exec(body: Exec, changes: Changes, around: Surroundings) -> None:
    argv = around.redactor.argv(body.argv)
    if argv is not body.argv:
        changes["argv"] = argv
    if body.environment is not None:
        changes["environment"] = {
            name: around.redactor.text(value)
            for name, value in body.environment.items()
            if name in around.environment
        } or None


def _texts(body: Body, redactor: Redactor) -> Changes:
    return {
        name: redactor.text(value)
        for name in _text_fields(type(body))
        if isinstance(value := getattr(body, name), str)
    }


@functools.cache
def _text_fields(kind: type[Body]) -> tuple[str, ...]:
    return tuple(name for name in kind.__struct_fields__ if name in _TEXTS)


def _lines(lines: tuple[str, ...] | None, redactor: Redactor) -> tuple[str, ...] | None:
    return None if lines is None else tuple(redactor.text(line) for line in lines)


ENRICHMENT = Enrichment("redaction", -10, _apply, _concerns)
