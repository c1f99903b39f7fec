"""Incidents: what was found about one person and the chain that led from them, merged into stories. Pure.

An incident is a function of the newest revisions of alerts and sessions, and of the contributing events. The
order in which anything arrived, and when it was decided, cannot matter. Its findings are one person's, with
less than a day between neighbours; low ones join a story but make none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from .. import risk
from ..alert import IF_SURE, INFERRED_BY, Alert, Severity
from ..alerts import telling, wording
from ..alerts.moved_bytes import SessionKey
from ..attribution.jobs import WEAK
from ..incident import SEVERITIES, Incident, Seen, Session, rank
from ..record import Person
from .incident_ids import identity, root_of
from .story import ALERTING, Known, Story, order

GAP = 86_400_000_000_000
"""Nanoseconds; findings of one person that lie further apart are two incidents."""


def assemble(
    alerts: Iterable[Alert],
    sessions: Iterable[Session] = (),
    seen: Iterable[Seen] = (),
    limits: risk.Limits = risk.Limits(),  # noqa: B008 - frozen
    is_hidden: Callable[[Alert], bool] = lambda _alert: False,
) -> tuple[Incident, ...]:
    """Return the incidents, the newest first; of alerts and sessions the newest revisions count.

    Sessions come oldest revision first. Where a person's risk crosses its limits is judged anew: whose
    findings they are may have been learnt since it was told. What is_hidden is left out and adds no risk, but
    its id still leads to the story it would be in.
    """
    known = Known({(one.agent, one.boot, one.session): one for one in sessions}, list(seen))
    stories: dict[str, list[Alert]] = {}
    aside: dict[str, list[Alert]] = {}
    for alert in _newest(alerts):
        if alert.rule != risk.RULE.id:
            resolved = _resolved(_booted(alert, known.by_uid), known.sessions)
            (aside if is_hidden(resolved) else stories).setdefault(root_of(resolved), []).append(resolved)
    made = [
        Story(whose, part, known).tell(limits, _ids(whose, part, aside.get(whose, ())))
        for whose, found in stories.items()
        for part in _episodes([*found, *(one for one in _crossings(found, limits) if not is_hidden(one))])
    ]
    return tuple(sorted(made, key=lambda one: (-one.end, one.id)))


def _ids(whose: str, part: Sequence[Alert], aside: Iterable[Alert]) -> set[str]:
    """Return every id that leads to a story, by its own findings and by those hidden beside them."""
    times = [one.time for one in part]
    near = [one for one in aside if min(times) - GAP < one.time < max(times) + GAP]
    return {identity(whose, one) for one in (*part, *near)}


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


def _resolved(alert: Alert, sessions: dict[SessionKey, Session]) -> Alert:
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
    elif later.person.how == "inferred":
        severity = SEVERITIES[min(rank(severity), ALERTING)]
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


def _episodes(found: list[Alert]) -> list[list[Alert]]:
    """Return findings of one root as stories: alerting ones less than a day apart, low ones near them."""
    ordered = sorted(found, key=order)
    made: list[list[Alert]] = []
    for one in ordered:
        if rank(one.severity) >= ALERTING:
            if made and one.time - made[-1][-1].time < GAP:
                made[-1].append(one)
            else:
                made.append([one])
    ends = [(part[0].time - GAP, part[-1].time + GAP) for part in made]
    for one in ordered:
        if rank(one.severity) < ALERTING:
            near = [at for at, (begin, end) in enumerate(ends) if begin < one.time < end]
            if near:
                made[near[0]].append(one)
    return made
