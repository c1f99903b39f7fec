"""Suppressions: add one, list them, end one. Each is an act in the ledger before it has any effect."""

from __future__ import annotations

import secrets
from typing import Annotated

import msgspec

from evidence.kinds.collector import Act

from ...errors import CollectorError
from ...questions import moments
from ...users import Role
from ...verdicts import recorded_suppressions, suppression
from ...verdicts.suppression import Scope, Standing, Suppression
from ..endpoint import Call, Endpoint, Stream
from ..errors import ApiError
from ..parameter import Parameter
from .login import Done

_ID_BYTES = 4
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to hide, why, and until when: ISO-8601 or a time from now such as 7d."""

    scope: Scope
    reason: _Text
    expires: _Text


class Listed(msgspec.Struct, frozen=True):
    """A suppression, and whether it hides anything now."""

    suppression: Suppression
    standing: Standing


class SuppressionList(msgspec.Struct, frozen=True):
    """All suppressions, the oldest first."""

    rows: list[Listed]


def _add(call: Call) -> msgspec.Struct | Stream:
    wanted: Wanted = call.body
    now = call.services.clock()
    expires = moments.until(wanted.expires, now)
    suppression.check(wanted.scope, wanted.reason, expires, now)
    author = call.user.name if call.user is not None else ""
    made = Suppression(secrets.token_hex(_ID_BYTES), author, wanted.reason, wanted.scope, now, expires)
    detail, verb = recorded_suppressions.detail(made), recorded_suppressions.ADD
    call.services.record(Act(user=author, verb=verb, object=made.id, detail=detail, source=call.source))
    call.services.suppressions.add(made)
    return Listed(made, made.standing(now))


def _list(call: Call) -> msgspec.Struct | Stream:
    now = call.services.clock()
    return SuppressionList([Listed(one, one.standing(now)) for one in call.services.suppressions.rows()])


def _end(call: Call) -> msgspec.Struct | Stream:
    try:
        found = call.services.suppressions.find(call.values["id"])
    except CollectorError as error:
        raise ApiError(404, "not_found", str(error), "id") from error
    author = call.user.name if call.user is not None else ""
    ended = Act(user=author, verb=recorded_suppressions.END, object=found.id, source=call.source)
    call.services.record(ended)
    call.services.suppressions.end(found.id, author, call.services.clock())
    return Done()


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/suppressions",
        "suppress",
        "Hide findings that were judged, until a time",
        Role.ANALYST,
        _add,
        Listed,
        body=Wanted,
    ),
    Endpoint(
        "GET",
        "/v1/suppressions",
        "suppressions",
        "All suppressions, ended ones too",
        Role.VIEWER,
        _list,
        SuppressionList,
    ),
    Endpoint(
        "POST",
        "/v1/suppressions/{id}/end",
        "unsuppress",
        "End a suppression before its time",
        Role.ANALYST,
        _end,
        Done,
        parameters=(Parameter("id", "text", "its id, or the beginning of it", place="path", high=64),),
        object="id",
    ),
)
