"""Why an alert was not normal: its bytes, destination, hour and host beside the days before it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..alerts.moved_bytes import address
from ..measures.baselines import DAY, day_of, robust_z
from ..organisation.known import Known
from . import normal
from .normal import Day, Hours, Spread, Used

PEERS_LEAST = 3
"""Fewer persons who moved anything are no group to be compared with."""
Row = Mapping[str, Any]


class Why(msgspec.Struct, frozen=True, omit_defaults=True):
    """An alert beside the days before its own.

    hour is of the clock of the baseline's hours, hour_days are the days with activity in it. moved is the sum
    of the alert's day, or what the alert tells if that is more; before are the days before, of connections of
    the same direction. z is the robust z of moved among them, peers_z among the days of peers: of the
    logarithm, as rules count it; None where there are too few days or peers. destination_days are the days
    before on which the destination was used; first_here is when it was by this person, first_anywhere by
    anybody (UTC ns; None: not before that day), others how many other persons ever did.
    """

    alert: str
    rule: str
    severity: str
    summary: str
    time: int
    hour: int
    hour_days: int
    within_hours: bool | None = None
    host: str | None = None
    host_days: int = 0
    destination: str | None = None
    destination_days: int = 0
    first_here: int | None = None
    first_anywhere: int | None = None
    others: int = 0
    direction: str | None = None
    moved: int | None = None
    before: Spread | None = None
    z: float | None = None
    peers: int = 0
    peers_z: float | None = None


def why(alert: Row, days: Sequence[Day], hours: Hours, hosts: Sequence[Used], known: Known) -> Why:
    """Return how an alert compares with days before it; days are of who it is about, its own among them."""
    person, time = alert["person"], alert["time"]
    hour = normal.hour_of(time, person, known)
    made = Why(
        alert["id"],
        alert["rule"],
        alert["severity"],
        alert["summary"],
        time,
        hour,
        hours.days[hour],
        known.works_at(person, time) if person is not None else None,
        alert["host"],
        next((one.days for one in hosts if one.name == alert["host"]), 0),
    )
    if alert["destination"] is None:
        return made
    return _with_bytes(made, alert, days, known)


def name_of(alert: Row) -> str | None:
    """Return the name of an alert's destination that an answer of DNS gave."""
    details = alert["details"]
    try:
        said = msgspec.json.decode(details, type=dict[str, Any]) if details else {}
    except msgspec.DecodeError:
        return None
    name = said.get("name")
    return name if isinstance(name, str) else None


def _with_bytes(made: Why, alert: Row, days: Sequence[Day], known: Known) -> Why:
    target, name, day = address(alert["destination"]), name_of(alert), day_of(alert["time"])
    there = [one for one in days if one.address == target or (name is not None and one.name == name)]
    own = [one for one in there if one.day == day]
    most = max(own, key=lambda one: one.out, default=None)
    direction = most.direction if most is not None else "out"
    before = normal.by_day([one for one in days if one.day < day], direction, known)
    today = normal.by_day([one for one in days if one.day == day], direction, known)
    moved = max(today.get(day, 0), alert["bytes_out"] or 0)
    return msgspec.structs.replace(
        made,
        destination=target,
        destination_days=len({one.day for one in there if one.day < day}),
        direction=direction,
        moved=moved,
        before=normal.spread(before.values()),
        z=_z(moved, list(before.values())),
    )


def with_first(made: Why, first: Sequence[Row], person: str | None, day_begin: int) -> Why:
    """Return it with when the destination was first used; first has a row by person, the earliest first."""
    earlier = [row for row in first if row["first"] < day_begin]
    return msgspec.structs.replace(
        made,
        first_here=next((row["first"] for row in earlier if row["person"] == person), None),
        first_anywhere=next((row["first"] for row in earlier), None),
        others=len({row["person"] for row in earlier} - {person, None}),
    )


def with_peers(made: Why, person: str, days: Sequence[Day], known: Known, day_begin: int) -> Why:
    """Return it with how its bytes compare with the days of those who do the same work."""
    before = [one for one in days if one.day * DAY < day_begin]
    each = normal.each(before, known.peers(person), made.direction or "out", known)
    active = [own for own in each.values() if own]
    score = _z(made.moved or 0, normal.all_days(each)) if len(active) >= PEERS_LEAST else None
    return msgspec.structs.replace(made, peers=len(active), peers_z=score)


def _z(value: int, others: Sequence[int]) -> float | None:
    score = robust_z(value, others)
    return None if score is None else score / 1000
