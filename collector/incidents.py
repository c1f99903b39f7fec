"""Incidents: what was found about one person and the chain that led from them, merged into stories. Pure.

An incident is a function of the newest revisions of alerts and sessions, and of the contributing events. The
order in which anything arrived, and when it was decided, cannot matter. Its findings are one person's, with
less than a day between neighbours; low ones join a story but make none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from . import attack, incident_text, risk, telling, wording
from .alert import IF_SURE, INFERRED_BY, Alert, Severity
from .incident import SEVERITIES, Entry, Incident, Moved, Place, Seen, Session, rank
from .jobs import WEAK
from .record import Hop, How, Person

GAP = 86_400_000_000_000
"""Nanoseconds; findings of one person that lie further apart are two incidents."""
_ALERTING = SEVERITIES.index("medium")
_MANY_TACTICS = 3
_STRENGTH: tuple[How, ...] = ("kernel", "hop", "key", "job", "uid", "inferred")
SessionKey = tuple[str, str | None, int | None]
_Sessions = dict[SessionKey, Session]


def assemble(
    alerts: Iterable[Alert],
    sessions: Iterable[Session] = (),
    seen: Iterable[Seen] = (),
    limits: risk.Limits = risk.Limits(),  # noqa: B008 - frozen
    is_hidden: Callable[[Alert], bool] = lambda _alert: False,
) -> tuple[Incident, ...]:
    """Return the incidents, the newest first; of alerts and sessions the newest revisions count.

    Sessions come oldest revision first. Where a person's risk crosses its limits is judged anew: whose
    findings they are may have been learnt since it was told. What is_hidden is left out and adds no risk.
    """
    by_session: _Sessions = {(one.agent, one.boot, one.session): one for one in sessions}
    by_uid = {one.uid: one for one in seen}
    stories: dict[str, list[Alert]] = {}
    for alert in _newest(alerts):
        if alert.rule == risk.RULE.id:
            continue
        known = _known(_booted(alert, by_uid), by_session)
        if is_hidden(known):
            continue
        stories.setdefault(_root(known), []).append(known)
    made = [
        _Story(root, part, by_session, by_uid).tell(limits)
        for root, found in stories.items()
        for part in _episodes([*found, *(one for one in _crossings(found, limits) if not is_hidden(one))])
    ]
    return tuple(sorted(made, key=lambda one: (-one.end, one.id)))


def canonical(incidents: Iterable[Incident]) -> bytes:
    """Return incidents in the one form in which two replays are compared byte for byte."""
    return msgspec.json.encode(sorted(incidents, key=lambda one: one.id), order="sorted")


def _newest(alerts: Iterable[Alert]) -> list[Alert]:
    """Return the revision of each rule and entity that holds."""
    held: dict[tuple[str, str], Alert] = {}
    for one in alerts:
        key = (one.rule, one.entity)
        other = held.get(key)
        if other is None or (one.detected, one.revision) > (other.detected, other.revision):
            held[key] = one
    return list(held.values())


def _booted(alert: Alert, seen: dict[str, Seen]) -> Alert:
    """Return the alert with the boot of its events, where the rule did not say."""
    if alert.boot is not None:
        return alert
    boots = [
        seen[uid].boot for uid in sorted(alert.evidence) if uid in seen and seen[uid].agent == alert.agent
    ]
    return msgspec.structs.replace(alert, boot=boots[0]) if boots else alert


def _known(alert: Alert, sessions: _Sessions) -> Alert:
    """Return the alert with its session's person as known by now; a job's is not the session's."""
    if alert.person is None or alert.person.session is None:
        return alert
    later = sessions.get((alert.agent, alert.boot, alert.person.session))
    if later is None or later.person is None:
        return alert
    severity = alert.severity
    if alert.person.how == "inferred" and _is_sure(alert, later.person):
        severity = msgspec.convert(alert.details[IF_SURE], Severity)
    elif alert.person.how not in risk.BY_SESSION:
        return alert
    summary = wording.resaid(alert.summary, alert.person, later.person)
    return msgspec.structs.replace(alert, person=later.person, summary=summary, severity=severity)


def _is_sure(alert: Alert, now: Person) -> bool:
    """Return whether what inferred the person is by now a link of the session itself, and sure."""
    return IF_SURE in alert.details and now.how not in WEAK and alert.details[INFERRED_BY] in now.because


def _crossings(found: Sequence[Alert], limits: risk.Limits) -> Iterator[Alert]:
    """Yield where the risk of these findings, all of one person, crosses its limits."""
    parts = [one for alert in found if (one := risk.part(alert)) is not None]
    if not parts:
        return
    for crossed in risk.crossings(parts, min(one.step for one in parts), limits):
        yield Alert(
            telling.identity(risk.RULE.id, risk.RULE.version, crossed.entity, crossed.evidence),
            risk.RULE.id,
            risk.RULE.version,
            crossed.severity or risk.RULE.severity,
            risk.RULE.title,
            crossed.summary,
            crossed.time,
            0,
            crossed.agent,
            crossed.host,
            crossed.person,
            evidence=crossed.evidence,
            entity=crossed.entity,
            boot=crossed.boot,
        )


def _root(alert: Alert) -> str:
    """Return whose story an alert belongs to; a user id says nothing beyond its host."""
    person = alert.person
    if person is None:
        return f"host|{alert.agent}"
    return f"uid|{alert.agent}|{person.name}" if person.how == "uid" else f"person|{person.name}"


def _episodes(found: list[Alert]) -> list[list[Alert]]:
    """Return findings of one root as stories: alerting ones less than a day apart, low ones near them."""
    ordered = sorted(found, key=_order)
    made: list[list[Alert]] = []
    for one in ordered:
        if rank(one.severity) >= _ALERTING:
            if made and one.time - made[-1][-1].time < GAP:
                made[-1].append(one)
            else:
                made.append([one])
    ends = [(part[0].time - GAP, part[-1].time + GAP) for part in made]
    for one in ordered:
        if rank(one.severity) < _ALERTING:
            near = [at for at, (begin, end) in enumerate(ends) if begin < one.time < end]
            if near:
                made[near[0]].append(one)
    return made


def _order(alert: Alert) -> tuple[int, str, str]:
    return alert.time, alert.rule, alert.entity


class _Story:
    """One incident in the making: its findings, and what is known of their sessions and events."""

    def __init__(self, root: str, found: list[Alert], sessions: _Sessions, seen: dict[str, Seen]) -> None:
        self._anchor = f"{root}|{found[0].rule}|{found[0].entity}"
        self._found = sorted(found, key=_order)
        self._sessions = sessions
        uids = sorted({uid for one in found for uid in _evidence(one)})
        self._evidence = tuple(uids)
        self._seen = [seen[uid] for uid in uids if uid in seen]

    def tell(self, limits: risk.Limits) -> Incident:
        """Return the incident."""
        people = [one.person for one in self._found if one.person is not None]
        moved = self._moved()
        techniques = sorted({attack.present(one) for alert in self._found for one in alert.attack})
        parts = [one for alert in self._found if (one := risk.part(alert)) is not None]
        places = self._places()
        made = Incident(
            id=hashlib.sha256(self._anchor.encode()).hexdigest()[:16],
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
            moved=moved,
            bytes_out=sum(one.bytes_out for one in moved),
            bytes_in=sum(one.bytes_in for one in moved),
            files=tuple(sorted({one.path for one in self._seen if one.path and _is_file(one.kind)})),
            evidence=self._evidence,
            risk=risk.history(parts, limits.per_rule),
        )
        return msgspec.structs.replace(made, summary=incident_text.summary(made))

    def _severity(self) -> Severity:
        """Return the highest, a step more where several rules saw many tactics; inferred stays medium."""
        alerting = [one for one in self._found if rank(one.severity) >= _ALERTING]
        highest = max(rank(one.severity) for one in alerting)
        if len(attack.tactics(one.attack[0] for one in alerting if one.attack)) >= _MANY_TACTICS:
            highest = min(highest + 1, len(SEVERITIES) - 1)
        if all(one.person is not None and one.person.how == "inferred" for one in alerting):
            highest = min(highest, _ALERTING)
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
            known = self._sessions.get(key)
            user, how = known.user if known is not None else None, person.how if person is not None else None
            because = person.because if person is not None else ()
            made.setdefault(key, Place(one.agent, one.host, one.boot, session, user, how, because))
        return tuple(made.values())

    def _accounts(self, places: Sequence[Place]) -> set[str]:
        users = [*(one.user for one in places), *(one.user for one in self._seen)]
        return {user for user in users if user is not None}

    def _moved(self) -> tuple[Moved, ...]:
        """Return bytes by destination: in each session the most that an alert or its flows say."""
        names = {one.name: one.remote for one in self._seen if one.name and one.remote}
        flows: dict[tuple[str, str | None, int], Seen] = {}
        for one in self._seen:
            if one.flow is not None:
                key = (one.agent, one.boot, one.flow)
                flows[key] = max(
                    flows.get(key, one), one, key=lambda other: (other.bytes_out, other.bytes_in)
                )
        out: dict[tuple[SessionKey, str], int] = {}
        for alert in self._found:
            if alert.destination is not None:
                session = alert.person.session if alert.person is not None else None
                target = address(names.get(alert.destination, alert.destination))
                place = ((alert.agent, alert.boot, session), target)
                out[place] = max(out.get(place, 0), alert.bytes_out or 0)
        told: dict[str, tuple[int, int]] = {}
        for (session_key, target), most in out.items():
            own = [one for one in flows.values() if one.remote == target and _session(one) == session_key]
            sent = max(most, sum(one.bytes_out for one in own))
            before = told.get(target, (0, 0))
            told[target] = (before[0] + sent, before[1] + sum(one.bytes_in for one in own))
        return tuple(Moved(target, *told[target]) for target in sorted(told))


def address(destination: str) -> str:
    """Return a destination without its port."""
    return destination.partition(":")[0] if destination.count(":") == 1 else destination


def _session(one: Seen) -> SessionKey:
    return one.agent, one.boot, one.session


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
    )
