"""Sigma rules over stored events: one of the collector's own, or any that the request brings along."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ...errors import QueryError
from ...hunting import hunting
from ...hunting.hunt import Hunted, Span
from ...questions import moments
from ...sigma.read import read
from ...sigma.ruleset import Ruleset, assemble
from ...sigma.tuned import in_force
from ...users import Role
from ..endpoint import Call, Endpoint, Stream

TEXT_LIMIT = 64 << 10
SECONDS = 300.0
MEMORY_BYTES = 1 << 30
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class WantedHunt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule by id or name, or rules as YAML; since and until are ISO-8601 or an age such as 30d."""

    rule: _Text | None = None
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_LIMIT)] | None = None
    since: _Text = "30d"
    until: _Text = "now"
    limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1000


def _hunt(call: Call) -> msgspec.Struct | Stream:
    wanted: WantedHunt = call.body
    if (wanted.rule is None) == (wanted.text is None):
        raise QueryError("hunt: name a rule, or bring one along as text")
    ruleset = _own(call, wanted.rule) if wanted.rule is not None else _brought(wanted.text or "")
    now = call.services.clock()
    span = Span(moments.parse(wanted.since, now), moments.parse(wanted.until, now))
    limits = hunting.Limits(SECONDS, MEMORY_BYTES, wanted.limit)
    task = hunting.Task(ruleset, str(call.services.snapshot), span, limits)
    return hunting.run(task, call.services.snapshot.with_name("hunt.lock"))


def _own(call: Call, name: str) -> Ruleset:
    """Return the rule of that id or name, of a correlation its rules too, as it is set for everybody.

    Raises:
        QueryError: there is none in force.
    """
    known = call.services.sigma()
    joined = tuple(one for one in known.correlations if name in (one.id, one.name))
    wanted = {name, *(of for one in joined for of in one.rules)}
    rules = tuple(one for one in known.rules if not wanted.isdisjoint((one.id, one.name)))
    if not rules:
        raise QueryError(f"rule: no Sigma rule {name} is in force; `vedette-collector rules list` has them")
    return Ruleset(rules, tuple(in_force(one, call.services.site()) for one in joined))


def _brought(text: str) -> Ruleset:
    """Return rules that a request brings along.

    Raises:
        QueryError: one of them cannot be used.
    """
    file = read("rule", text.encode(errors="replace"), {})
    if file.fault is not None:
        raise QueryError(f"text: {file.fault}")
    ruleset = assemble([file])
    for one in ruleset.listed:
        if one.fault is not None:
            raise QueryError(f"text: {one.document.title}: {one.fault}")
    return msgspec.structs.replace(ruleset, listed=(), faulty=())


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/hunt",
        "hunt",
        "What a Sigma rule finds in stored events",
        Role.ANALYST,
        _hunt,
        Hunted,
        body=WantedHunt,
        object="rule",
    ),
)
