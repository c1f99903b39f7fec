"""Suppressions: what an analyst has judged and need not see again, with author, reason, scope and end. Pure.

They hide findings when they are read, those stored long ago too. Rules and evidence do not know of them, so
ending one shows everything again.
"""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Iterable
from typing import Literal

import msgspec

from ..alert import Alert
from ..alerts.moved_bytes import address
from ..errors import QueryError
from ..organisation.known import Known

SCOPES = ("rule", "person", "host", "destination", "entity")
DAYS_LIMIT = 366
"""Days; what should last longer is a parameter of the rule, or a known destination."""
_LABEL = "label:"
Standing = Literal["active", "expired", "ended"]


class Scope(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is hidden: findings that fit all that is given.

    host is a pattern of names, an agent's id or ``label:NAME``, destination an address, a network or a
    pattern of names, entity a pattern too.
    """

    rule: str | None = None
    person: str | None = None
    host: str | None = None
    destination: str | None = None
    entity: str | None = None


class Suppression(msgspec.Struct, frozen=True):
    """One suppression; times are UTC ns, ended when somebody ended it before its time."""

    id: str
    author: str
    reason: str
    scope: Scope
    created: int
    expires: int
    ended: int | None = None
    ended_by: str | None = None

    def standing(self, now: int) -> Standing:
        """Return whether it hides anything now."""
        if self.ended is not None:
            return "ended"
        return "active" if now < self.expires else "expired"


def check(scope: Scope, reason: str, expires: int, now: int) -> None:
    """Let through what may be suppressed.

    Raises:
        QueryError: the scope is empty, the reason is missing, or the end is past or too far away.
    """
    given = [name for name in SCOPES if getattr(scope, name)]
    if not given:
        raise QueryError(f"scope: give at least one of {', '.join(SCOPES)}")
    if not reason.strip():
        raise QueryError("reason: say why, for whoever reads it later")
    if not now < expires <= now + DAYS_LIMIT * 86_400 * 10**9:
        raise QueryError(f"expires: give a time from now on, within {DAYS_LIMIT} days")
    if scope.destination and "/" in scope.destination:
        try:
            ipaddress.ip_network(scope.destination, strict=False)
        except ValueError as error:
            raise QueryError(f"destination: {error}") from error


def hiding(active: Iterable[Suppression], alert: Alert, known: Known) -> Suppression | None:
    """Return the suppression that hides an alert; of several the oldest."""
    return next((one for one in active if fits(one.scope, alert, known)), None)


def fits(scope: Scope, alert: Alert, known: Known) -> bool:
    """Return whether an alert is in a scope."""
    person = alert.person.name if alert.person is not None else None
    return (
        (scope.rule is None or scope.rule == alert.rule)
        and (scope.person is None or scope.person == person)
        and (scope.host is None or _is_host(scope.host, alert, known))
        and (scope.destination is None or _is_destination(scope.destination, alert.destination))
        and (scope.entity is None or fnmatch.fnmatchcase(alert.entity, scope.entity))
    )


def _is_host(wanted: str, alert: Alert, known: Known) -> bool:
    if wanted.startswith(_LABEL):
        return wanted.removeprefix(_LABEL) in known.labels(alert.host)
    return alert.agent == wanted or fnmatch.fnmatchcase(alert.host, wanted)


def _is_destination(wanted: str, destination: str | None) -> bool:
    if destination is None:
        return False
    where = address(destination)
    try:
        return ipaddress.ip_address(where) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return fnmatch.fnmatchcase(where.lower(), wanted.lower())
