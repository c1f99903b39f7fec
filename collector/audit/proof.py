"""What goes into the bundle that proves an incident: its person's sessions, their hosts, its times. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from evidence.bundle import Claim

from ..incident import Incident, Session
from .bundler import Story

BEFORE = 86_400_000_000_000
"""Nanoseconds before an incident for which the logins that led to it are looked for."""


def story(incident: Incident, sessions: Iterable[tuple[Session, int | None]]) -> Story:
    """Return the incident as a bundle tells it.

    sessions are those that the person had in its time, the first one first, each with when it was opened
    (UTC ns): those in which nothing was found too, for the proof speaks of all that the person did.
    """
    known = list(sessions)
    claims = {
        (one.agent, one.boot, one.session): Claim(
            one.agent,
            one.boot,
            one.session,
            one.user or "",
            one.person.how if one.person is not None else "",
            one.person.because if one.person is not None else (),
        )
        for one, _ in known
    }
    for place in incident.places:
        if place.session is not None and place.boot is not None:
            key = (place.agent, place.boot, place.session)
            claims.setdefault(key, Claim(*key, place.user or "", place.how or "", place.because))
    began = [opened for _, opened in known if opened is not None]
    return Story(
        incident=incident.id,
        title=incident.summary,
        person=incident.person or "",
        sessions=tuple(claims.values()),
        agents=tuple(sorted({place.agent for place in incident.places})),
        begin=max(min([incident.begin, *began]), incident.begin - BEFORE),
        end=incident.end,
        events=incident.evidence,
    )
