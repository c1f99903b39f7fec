"""Which policy holds on which host, by what the hosts themselves told: their signed events in the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ..enrolment.enrolments import Enrolment
from ..questions.queries import Query
from . import rollout
from .rollout import Offer

_KINDS = ("policy.applied", "policy.refused", "agent.start")
HOUR = 3600 * 10**9


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """A host: what it is offered, what it told that holds, and what it refused since. Times are UTC ns.

    differs is for how long (ns) it has not held what it is offered; None while it does.
    """

    agent: str
    host: str
    offered: str | None = None
    holds: str | None = None
    cause: str | None = None
    since: int | None = None
    refused: str | None = None
    differs: int | None = None


def told() -> Query:
    """Return the query for what hosts told of policies, the oldest first."""
    marks = ", ".join("?" for _ in _KINDS)
    sql = f"SELECT agent, time, kind, body FROM events WHERE kind IN ({marks}) ORDER BY time, seq"  # noqa: S608 - ours
    return Query(sql, _KINDS)


def standings(
    hosts: Iterable[Enrolment], every: Sequence[Offer], events: Iterable[Mapping[str, Any]], now: int
) -> list[Standing]:
    """Return where each host stands that is not revoked; now is UTC ns."""
    by_agent: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        by_agent.setdefault(event["agent"], []).append(event)
    names = {one.digest: _name(one) for one in every}
    return [
        _standing(host, every, names, by_agent.get(host.agent, ()), now)
        for host in hosts
        if host.revoked is None
    ]


def _standing(
    host: Enrolment,
    every: Sequence[Offer],
    names: Mapping[str, str],
    events: Iterable[Mapping[str, Any]],
    now: int,
) -> Standing:
    offer = rollout.offered(every, host.agent, host.labels)
    digest = cause = refused = since = None
    for event in events:
        body = msgspec.json.decode(event["body"])
        if event["kind"] == "policy.refused":
            refused = f"{body['ground']}: {body['message']}"
        elif event["kind"] == "policy.applied":
            digest, cause, since, refused = body["digest"], body["cause"], event["time"], None
        elif body.get("policy") != digest and not (cause == "kept out" and body.get("policy") is None):
            digest, cause, since = body.get("policy"), "at its start", event["time"]
    holds = names.get(digest, digest[:16]) if digest is not None and cause != "kept out" else None
    right = offer is None or (digest == offer.digest and cause != "kept out")
    return Standing(
        agent=host.agent,
        host=host.host,
        offered=_name(offer) if offer is not None else None,
        holds=holds,
        cause=cause,
        since=since,
        refused=refused,
        differs=None if right or offer is None else max(0, now - max(offer.now.time, offer.policy.from_)),
    )


def _name(offer: Offer) -> str:
    return f"{offer.policy.name} {offer.policy.version}"
