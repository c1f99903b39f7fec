"""What the operator of a generated fleet tells the collector, as the file it reads (docs/organisation.md)."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence

from .calendar import Span
from .doing import DEPLOY
from .machines import BACKUP
from .month import Month
from .people import PLACES, Person
from .place import SERVICES

_TRAVEL = (("95.20.0.0/16", "ES"), ("185.60.0.0/16", "FR"), ("80.30.0.0/16", "IT"), ("41.70.0.0/16", "ZA"))
_LENT = ("102.67.0.0/16", "NG")


def text(month: Month) -> str:
    """Return the file: people, keys, hours, networks and countries, hosts, change windows, who is on call.

    It knows less than there is: the hours of some people only, none of the unlisted places, no incident.
    """
    known = sorted(one.name for one in SERVICES if one.known)
    head = [f"services = {json.dumps(known)}", f"service_accounts = {json.dumps([DEPLOY.name, 'root'])}", ""]
    people = [line for one in month.people for line in _person(one)]
    own = [("10.0.0.0/8", "own", None), ("10.200.0.0/16", "own", None), (f"{BACKUP.ip}/32", "backup", None)]
    places = [*((f"{network}.0/24", place) for network, place in PLACES.items()), *_TRAVEL, _LENT]
    networks = [*own, *((cidr, None, place) for cidr, place in places)]
    lines = [line for cidr, use, place in networks for line in _network(cidr, use, place)]
    hosts = ["[[host]]", 'pattern = "web-x*"', 'labels = ["ephemeral"]', ""]
    windows = [
        *_windows("change_window", month.calendar.changes),
        *_windows("on_call", month.calendar.on_call),
    ]
    return "\n".join([*head, *people, *lines, *hosts, *windows])


def _person(one: Person) -> list[str]:
    lines = [
        "[[person]]",
        f'name = "{one.name}"',
        f'accounts = ["{one.account}"]',
        f'keys = ["{one.key}"]',
        f'role = "{one.role}"',
        f'timezone = "{one.zone}"',
    ]
    if one.told_hours:
        lines.append(f"hours = [{one.begins - 1}, {one.ends + 1}]")
    return [*lines, ""]


def _network(cidr: str, use: str | None, place: str | None) -> list[str]:
    said = [f'use = "{use}"'] if use is not None else []
    said += [f'place = "{place}"'] if place is not None else []
    return ["[[network]]", f'cidr = "{cidr}"', *said, ""]


def _windows(table: str, spans: Sequence[Span]) -> list[str]:
    return [
        line
        for one in spans
        for line in (
            f"[[{table}]]",
            f"start = {_iso(one.start)}",
            f"end = {_iso(one.end)}",
            f'why = "{one.why}"',
            *([f"persons = {json.dumps(one.persons)}"] if one.persons else []),
            *([f"hosts = {json.dumps(one.hosts)}"] if one.hosts else []),
            "",
        )
    ]


def _iso(at: int) -> str:
    return dt.datetime.fromtimestamp(at // 10**9, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
