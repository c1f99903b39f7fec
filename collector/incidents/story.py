"""One incident in the making: its findings, and what is known of their sessions and events. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .. import attack, risk
from ..alert import BY, OTHERS, Alert, Severity
from ..alerts import moved_bytes
from ..alerts.moved_bytes import SessionKey
from ..incident import SEVERITIES, Entry, Incident, Place, Seen, Session, rank
from ..record import Hop, How
from . import incident_text
from .incident_ids import identity

ALERTING = SEVERITIES.index("medium")
_MANY_TACTICS = 3
_STRENGTH: tuple[How, ...] = ("kernel", "hop", "key", "job", "uid", "inferred")


class Known:
    """What is known of the findings' sessions and events, and which of them may be on a way."""

    def __init__(self, sessions: dict[SessionKey, Session], seen: Sequence[Seen]) -> None:
        self.sessions = sessions
        self.by_uid = {one.uid: one for one in seen}
        self.flows: dict[SessionKey, list[Seen]] = {}
        for one in seen:
            if one.flow is not None:
                self.flows.setdefault((one.agent, one.boot, one.session), []).append(one)


def order(alert: Alert) -> tuple[int, str, str]:
    """Return by what findings are put in order."""
    return alert.time, alert.rule, alert.entity


class Story:
    """One incident in the making: its findings, and what is known of their sessions and events."""

    def __init__(self, whose: str, found: list[Alert], known: Known) -> None:
        self._id = identity(whose, found[0])
        self._found = sorted(found, key=order)
        self._known = known
        uids = sorted({uid for one in found for uid in _evidence(one)})
        self._seen = [known.by_uid[uid] for uid in uids if uid in known.by_uid]
        self._moved, on = moved_bytes.moved(self._found, self._seen, known.sessions, known.flows)
        self._evidence = tuple(sorted({*uids, *on}))

    def tell(self, limits: risk.Limits, ids: set[str]) -> Incident:
        """Return the incident; ids lead to it."""
        people = [one.person for one in self._found if one.person is not None]
        techniques = sorted({attack.present(one) for alert in self._found for one in alert.attack})
        parts = [one for alert in self._found if (one := risk.part(alert)) is not None]
        places = self._places()
        made = Incident(
            id=self._id,
            also=tuple(sorted(ids - {self._id})),
            severity=self._severity(),
            summary="",
            person=people[0].name if people else None,
            how=tuple(sorted({one.how for one in people}, key=_STRENGTH.index)),
            source=next((one.source for one in people if one.source), None),
            fingerprint=next((one.fingerprint for one in people if one.fingerprint), None),
            begin=self._found[0].time,
            end=self._found[-1].time,
            hosts=tuple(dict.fromkeys(one.host for one in places)),
            accounts=tuple(sorted(self._accounts(places))),
            places=places,
            timeline=tuple(_entry(one) for one in self._found),
            techniques=tuple(techniques),
            tactics=attack.tactics(techniques),
            moved=self._moved,
            bytes_out=sum(one.bytes_out for one in self._moved if one.inside is None),
            bytes_in=sum(one.bytes_in for one in self._moved if one.inside is None),
            files=tuple(sorted({one.path for one in self._seen if one.path and _is_file(one.kind)})),
            evidence=self._evidence,
            risk=risk.history(parts, limits.per_rule),
        )
        return msgspec.structs.replace(made, summary=incident_text.summary(made))

    def _severity(self) -> Severity:
        """Return the highest, a step more where several rules saw many tactics; inferred stays medium."""
        alerting = [one for one in self._found if rank(one.severity) >= ALERTING]
        highest = max(rank(one.severity) for one in alerting)
        if len(attack.tactics(one.attack[0] for one in alerting if one.attack)) >= _MANY_TACTICS:
            highest = min(highest + 1, len(SEVERITIES) - 1)
        if all(one.person is not None and one.person.how == "inferred" for one in alerting):
            highest = min(highest, ALERTING)
        return SEVERITIES[highest]

    def _places(self) -> tuple[Place, ...]:
        """Return the sessions on the way and those where something was found, in that order."""
        made: dict[SessionKey, Place] = {}
        for one in self._found:
            person = one.person
            for hop in person.chain if person is not None else ():
                made.setdefault((hop.agent, hop.boot, hop.session), _hop(hop))
            session = person.session if person is not None else None
            key = (one.agent, one.boot, session)
            known = self._known.sessions.get(key)
            user, how = known.user if known is not None else None, person.how if person is not None else None
            because = person.because if person is not None else ()
            made.setdefault(key, Place(one.agent, one.host, one.boot, session, user, how, because))
        return tuple(made.values())

    def _accounts(self, places: Sequence[Place]) -> set[str]:
        users = [*(one.user for one in places), *(one.user for one in self._seen)]
        return {user for user in users if user is not None}


def _hop(hop: Hop) -> Place:
    return Place(hop.agent, hop.host, hop.boot, hop.session, hop.user, hop.how, hop.because)


def _is_file(kind: str) -> bool:
    return kind.startswith("file.") or kind == "state.changed"


def _evidence(one: Alert) -> tuple[str, ...]:
    """Return the events that show a finding, and those that show its person as known by now."""
    person = one.person
    ways = (person.because, *(hop.because for hop in person.chain)) if person is not None else ()
    return tuple(sorted({*one.evidence, *(uid for because in ways for uid in because)}))


def _entry(one: Alert) -> Entry:
    return Entry(
        one.time,
        one.host,
        one.severity,
        one.rule,
        one.title,
        one.summary,
        _evidence(one),
        one.id,
        one.bytes_out or 0,
        OTHERS in one.details,
        one.details.get(BY, ""),
        attack.tactic(one.attack[0]) or "" if one.attack else "",
        one.entity,
    )
