"""Decisions on rules: set a parameter, end that, try a rule or rest it, answer a proposal. Each is an act."""

from __future__ import annotations

import secrets
import time
from typing import Annotated

import msgspec

from evidence.kinds.collector import Act

from ...errors import QueryError
from ...questions import alert_queries
from ...rules import parameters, rule_folders, rulebook
from ...rules.rulebook import Book, Scope, State
from ...users import Role
from ..endpoint import Call, Endpoint, Stream
from ..errors import ApiError
from ..parameter import Parameter
from ..tunables import tunables

_ID_BYTES = 4
_PATIENCE_SECONDS = 5.0
_LOOK_SECONDS = 0.05
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class WantedValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter's value as text, why, and for whom; without scope for everybody."""

    name: _Text
    value: Annotated[str, msgspec.Meta(max_length=parameters.WORDS_LIMIT)]
    reason: _Text
    scope: Scope = Scope()


class WantedState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule shall be, why, and the alerts a day it may give when it is live."""

    state: State
    reason: _Text
    budget: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why."""

    reason: _Text


class Decided(msgspec.Struct, frozen=True):
    """The id of a setting or proposal, and whether it waits for approval, or is in force by now."""

    id: str
    proposed: bool
    in_force: bool


_DAY = 86_400_000_000_000


class _Decision(msgspec.Struct, frozen=True):
    """What is recorded: the verb, the rule or proposal, why, and all else."""

    verb: str
    target: str
    reason: str
    detail: dict[str, str]


def _set(call: Call) -> msgspec.Struct | Stream:
    wanted: WantedValue = call.body
    rule = call.values["rule"]
    known = parameters.catalogue(tunables(call.services))
    one = parameters.find(known, rule, wanted.name)
    value = parameters.value(one, wanted.value)
    scope: dict[str, str] = msgspec.to_builtins(wanted.scope)
    if len(scope) > 1:
        raise QueryError(f"scope: give one of {', '.join(rulebook.RANKS)}")
    if scope and one.type == "words":
        raise QueryError(f"scope: {one.name} are {one.unit}, which are set for everybody")
    made = secrets.token_hex(_ID_BYTES)
    detail = {"id": made, "name": wanted.name, "value": msgspec.json.encode(value).decode(), **scope}
    return _decide(call, _Decision(rulebook.SET, rule, wanted.reason, detail), made)


def _unset(call: Call) -> msgspec.Struct | Stream:
    book = call.services.book()
    found = [one for one in book.settings.values() if one.id == call.values["id"]]
    if not found:
        raise ApiError(404, "not_found", f"id: there is no setting {call.values['id']!r}", "id")
    reason: Reason = call.body
    one = _Decision(rulebook.UNSET, found[0].rule, reason.reason, {"id": found[0].id})
    return _decide(call, one, found[0].id)


def _state(call: Call) -> msgspec.Struct | Stream:
    wanted: WantedState = call.body
    rule = call.values["rule"]
    resting = {one.id for one in rule_folders.judging(call.services.site_rules()) if one.kinds}
    resting |= {one.id for one in call.services.sigma().everything()}
    if rule not in resting:
        raise ApiError(404, "not_found", f"rule: there is no rule {rule!r} that could rest", "rule")
    _fits(call, rule, wanted)
    detail = {"state": str(wanted.state)} | ({"budget": str(wanted.budget)} if wanted.budget else {})
    return _decide(call, _Decision(rulebook.STATE, rule, wanted.reason, detail), rule)


def _fits(call: Call, rule: str, wanted: WantedState) -> None:
    """Refuse to let a rule alert that found more each day, while it was staged, than it may from now on."""
    standing = call.services.book().standings.get(rule)
    if wanted.state != "live" or wanted.budget is None or standing is None or standing.state != "staged":
        return
    days = max(1.0, (call.services.clock() - standing.time) / _DAY)
    with call.connect() as connection:
        (row,) = call.rows(connection, alert_queries.tried(rule, standing.time))
    if row["findings"] > wanted.budget * days:
        raise ApiError(
            409,
            "over_budget",
            f"budget: staged it gave {row['findings'] / days:.1f} a day, more than {wanted.budget}; "
            f"see `vedette tune {rule} --parameter NAME --budget {wanted.budget}`",
            "budget",
        )


def _decide(call: Call, one: _Decision, identity: str) -> Decided:
    """Record a decision, or propose it where two have to agree, and wait until it is in force."""
    if not call.services.four_eyes:
        return Decided(identity, proposed=False, in_force=_record(call, one))
    proposal = secrets.token_hex(_ID_BYTES)
    told = {**one.detail, rulebook.PROPOSED: proposal}
    _record(call, msgspec.structs.replace(one, detail=told))
    return Decided(proposal, proposed=True, in_force=False)


def _answer(call: Call) -> msgspec.Struct | Stream:
    answer: Reason = call.body
    waiting = call.services.book().proposals.get(call.values["id"])
    if waiting is None:
        raise ApiError(404, "not_found", f"id: no proposal {call.values['id']!r} waits", "id")
    verb = rulebook.APPROVE if call.values["answer"] == "approve" else rulebook.REJECT
    if verb == rulebook.APPROVE and waiting.act.user == _user(call):
        raise ApiError(403, "forbidden", "who proposed it cannot approve it: another person has to", "id")
    return Decided(
        waiting.id, proposed=False, in_force=_record(call, _Decision(verb, waiting.id, answer.reason, {}))
    )


def _record(call: Call, one: _Decision) -> bool:
    """Make an act durable; tell whether the book is another within a while, as it is once that was read.

    Raises:
        ApiError: the book has no room for it.
    """
    before = call.services.book()
    act = Act(user=_user(call), verb=one.verb, object=one.target, detail=one.detail, reason=one.reason)
    if rulebook.apply(before, act, call.services.clock()) is before:
        raise ApiError(
            409, "full", "there is no room for another decision: end some settings, or answer proposals"
        )
    call.services.record(msgspec.structs.replace(act, source=call.source))
    return _is_another(call, before)


def _is_another(call: Call, before: Book) -> bool:
    end = time.monotonic() + _PATIENCE_SECONDS
    while call.services.book() == before:
        if time.monotonic() >= end:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _user(call: Call) -> str:
    return call.user.name if call.user is not None else ""


_RULE = Parameter("rule", "text", "its id", place="path", high=64)
_ID = Parameter("id", "text", "its id", place="path", high=64)
ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/rules/{rule}/parameters",
        "rules.set",
        "Set a parameter of a rule, for everybody or for some",
        Role.ANALYST,
        _set,
        Decided,
        parameters=(_RULE,),
        body=WantedValue,
        object="rule",
    ),
    Endpoint(
        "POST",
        "/v1/rules/settings/{id}/end",
        "rules.unset",
        "Let a parameter be again what it was before it was set",
        Role.ANALYST,
        _unset,
        Decided,
        parameters=(_ID,),
        body=Reason,
        object="id",
    ),
    Endpoint(
        "POST",
        "/v1/rules/{rule}/state",
        "rules.state",
        "Let a rule alert, only try it, or put it to rest",
        Role.ANALYST,
        _state,
        Decided,
        parameters=(_RULE,),
        body=WantedState,
        object="rule",
    ),
    Endpoint(
        "POST",
        "/v1/rules/proposals/{id}",
        "rules.answer",
        "Approve or reject what another proposed",
        Role.ANALYST,
        _answer,
        Decided,
        parameters=(_ID, Parameter("answer", "text", "which", required=True, choices=("approve", "reject"))),
        body=Reason,
        object="id",
    ),
)
