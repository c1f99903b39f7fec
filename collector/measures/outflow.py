"""What leaves in persons' sessions, by destination, and the signs beside it: what correlations keep."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from evidence.kinds.connection import Close, Report
from evidence.kinds.file import Read

from ..alert import BY, OTHERS, Severity
from ..bounded import remember
from ..record import Record
from ..rule import Finding, Parameter, Site
from .baselines import FirstSeen, day_of
from .session_work import Acting, describe, key, size
from .volume import Grown, Volume
from .windows import Item, Series

NEW = Parameter("new", 1, "days", "a destination stays new until the day after its first use")
FORGET = Parameter("forget", 30, "days", "what was not used for so long is new again")
SESSIONS_LIMIT = 20_000
DESTINATIONS_LIMIT = 200
SIGNS_LIMIT = 20
PLACES_LIMIT = 20_000
USERS_LIMIT = 8
"""Persons who are remembered of a place: more make it no more usual."""
SECOND = 1_000_000_000
_TEXT_LIMIT = 2000


class Work(msgspec.Struct, gc=False):
    """One session: signs such as what was packed or read (label: words), and what went where, by address."""

    signs: Series = msgspec.field(default_factory=Series)
    volumes: dict[str, Volume] = {}


class Outflow(msgspec.Struct):
    """sessions by `session_work.key`, and the places that each person used, by name.

    users are, by place, the first who used it, and on which day each did first.
    """

    sessions: dict[str, Work] = {}
    used: FirstSeen = msgspec.field(default_factory=FirstSeen)
    users: dict[str, dict[str, int]] = {}

    def work(self, record: Acting) -> Work:
        """Return what is known of the session of an event that has a person, from now on if nothing was."""
        session = key(record) or ""
        work = self.sessions.get(session)
        if work is None:
            work = Work()
            remember(self.sessions, session, work, SESSIONS_LIMIT)
        return work

    def sign(self, record: Record, words: str, keep: int) -> Work:
        """Note a sign, kept for keep ns before the newest."""
        work, body = self.work(record), record.event.body
        time = (body.first if isinstance(body, Read) else None) or record.event.time
        work.signs.add(Item(time, 0, record.uid, words), keep, SIGNS_LIMIT)
        return work

    def count(self, record: Record, flow: Close | Report, by: str = "") -> tuple[Work, Volume, Grown]:
        """Count the bytes of a flow to its destination, and note that the person used the place.

        by says how, such as ``with nc``.
        """
        work = self.work(record)
        volume = work.volumes.get(flow.remote.ip)
        if volume is None:
            volume = Volume()
            remember(work.volumes, flow.remote.ip, volume, DESTINATIONS_LIMIT)
        grown = volume.add(record, flow, by)
        if record.person is not None:
            self.used.saw(record.person.name, volume.place, grown.day)
            self._used(volume.place, record.person.name, grown.day)
        return work, volume, grown

    def _used(self, place: str, person: str, day: int) -> None:
        users = self.users.get(place)
        if users is None:
            users = {}
            remember(self.users, place, users, PLACES_LIMIT)
        if person in users or len(users) < USERS_LIMIT:
            users[person] = min(day, users.get(person, day))

    def others(self, record: Acting, volume: Volume) -> int:
        """Return how many others are known to have used a place on days before."""
        name, day = record.person.name if record.person is not None else "", day_of(volume.last)
        users = self.users.get(volume.place, {})
        return sum(1 for person, first in users.items() if person != name and first < day)

    def is_new(self, record: Record, volume: Volume, forget: float, stays: float) -> bool:
        """Return whether the person did not use the place on earlier days, as `FirstSeen.is_new` counts."""
        if record.person is None:
            return True
        name, day = record.person.name, day_of(volume.last)
        return self.used.is_new(name, volume.place, day, forget=int(forget), learn=0, stays=int(stays))


def is_new(rule: str, state: Outflow, record: Record, volume: Volume, site: Site) -> bool:
    """Return whether a place is new for the person, by the rule's parameters NEW and FORGET."""
    return state.is_new(record, volume, site.number(rule, FORGET), site.number(rule, NEW))


def signs_before(work: Work, volume: Volume, window: float) -> list[Item]:
    """Return the signs from window (seconds) before a volume began until it ended."""
    return work.signs.between(volume.first - int(window) * SECOND, volume.last)


def moved(
    record: Acting,
    address: str,
    volume: Volume,
    *,
    signs: Sequence[Item] = (),
    severity: Severity | None = None,
    entity: str | None = None,
    others: int = 0,
) -> Finding:
    """Return that the person of record moved a volume to address, after signs; others used it before."""
    person = describe(record.person) if record.person is not None else "somebody"
    after = f", after it {signs[0].label}" if signs else ""
    how = f" {volume.by}" if volume.by else ""
    said = "; ".join(dict.fromkeys(sign.label for sign in signs))[:_TEXT_LIMIT]
    named = {} if volume.place in ("", address) else {"name": volume.place}
    return Finding(
        entity=entity or f"{key(record)}|{address}",
        summary=f"{person} sent {size(volume.out)} from {record.host} to {address}{how}{after}",
        time=volume.last,
        agent=record.agent,
        host=record.host,
        evidence=tuple(dict.fromkeys((*(sign.uid for sign in signs), *volume.uids()))),
        person=record.person,
        destination=address,
        bytes_out=volume.out,
        details={
            **named,
            **({BY: program} if (program := _program(volume.by)) else {}),
            **({"signs": said} if said else {}),
            **({OTHERS: f"{others} used it on days before"} if others else {}),
        },
        severity=severity,
        boot=record.boot,
    )


def _program(by: str) -> str:
    """Return the program of words like ``with curl -T``, "" where they name none."""
    words = by.split()
    return words[1] if words[:1] == ["with"] and len(words) > 1 else ""
