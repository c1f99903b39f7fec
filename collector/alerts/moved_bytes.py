"""What a story's findings say went where; what went back over a hop is followed to where it went on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ..alert import Alert
from ..incident import Moved, Seen, Session

SessionKey = tuple[str, str | None, int | None]
_Flows = Mapping[SessionKey, list[Seen]]
_HOPS_LIMIT = 16
_TENTH = 10


class Way(msgspec.Struct, frozen=True):
    """How far bytes went that went back over a hop: to where, over which hosts, how many; uids show it."""

    destination: str | None
    hosts: tuple[str, ...]
    count: int
    uids: tuple[str, ...]


def moved(
    found: Iterable[Alert], seen: Iterable[Seen], sessions: Mapping[SessionKey, Session], flows: _Flows
) -> tuple[tuple[Moved, ...], tuple[str, ...]]:
    """Return bytes by destination, and uids of the connections they went on by.

    In each session count the most that an alert or its flows among seen say. flows are those of the sessions
    on the way, which came in from where each was logged in from.
    """
    told: dict[tuple[str, tuple[str, ...], str | None], tuple[int, int]] = {}
    uids: set[str] = set()
    for (place, target), (out, into) in _by_session(found, seen).items():
        for one, way in _followed(target, out, into, _way(sessions, flows, place, target, out)):
            key = (one.destination, one.via, one.inside)
            before = told.get(key, (0, 0))
            told[key] = (before[0] + one.bytes_out, before[1] + one.bytes_in)
            uids.update(way)
    rows = sorted(told.items(), key=lambda item: (item[0][0], item[0][1], item[0][2] or ""))
    return tuple(Moved(key[0], *count, *key[1:]) for key, count in rows), tuple(sorted(uids))


def address(destination: str) -> str:
    """Return a destination without its port."""
    return destination.partition(":")[0] if destination.count(":") == 1 else destination


def _by_session(
    found: Iterable[Alert], seen: Iterable[Seen]
) -> dict[tuple[SessionKey, str], tuple[int, int]]:
    """Return bytes out and in of each session and address."""
    events = list(seen)
    names = {one.name: one.remote for one in events if one.name and one.remote}
    flows: dict[tuple[str, str | None, int], Seen] = {}
    for one in events:
        if one.flow is not None:
            key = (one.agent, one.boot, one.flow)
            flows[key] = max(flows.get(key, one), one, key=lambda other: (other.bytes_out, other.bytes_in))
    out: dict[tuple[SessionKey, str], int] = {}
    for alert in found:
        if alert.destination is not None:
            session = alert.person.session if alert.person is not None else None
            target = address(names.get(alert.destination, alert.destination))
            at = ((alert.agent, alert.boot, session), target)
            out[at] = max(out.get(at, 0), alert.bytes_out or 0)
    told: dict[tuple[SessionKey, str], tuple[int, int]] = {}
    for (place, target), most in sorted(out.items(), key=str):
        own = [one for one in flows.values() if one.remote == target and _session(one) == place]
        sent = max(most, sum(one.bytes_out for one in own))
        told[place, target] = (sent, sum(one.bytes_in for one in own))
    return told


def _way(
    sessions: Mapping[SessionKey, Session], flows: _Flows, place: SessionKey, target: str, out: int
) -> Way | None:
    """Return how far bytes went on that went to where the session was reached from; None if it is no hop."""
    at, hosts, count, uids = place, list[str](), out, list[str]()
    while len(hosts) < _HOPS_LIMIT:
        session = sessions.get(at)
        chain = session.person.chain if session is not None and session.person is not None else ()
        if session is None or session.source != target or not chain:
            break
        before = chain[-1]
        hosts.append(before.host)
        at = (before.agent, before.boot, before.session)
        earlier = sessions.get(at)
        target = earlier.source or "" if earlier is not None else ""
        on = [one for one in flows.get(at, ()) if one.remote == target]
        count = min(count, sum(one.bytes_out for one in on))
        uids += [one.uid for one in on]
    if not hosts:
        return None
    return Way(target or None, tuple(hosts), count if target else 0, tuple(uids))


def _followed(target: str, out: int, into: int, way: Way | None) -> Iterable[tuple[Moved, tuple[str, ...]]]:
    """Yield what left, and what stayed on a host of the way."""
    if way is None:
        yield Moved(target, out, into), ()
        return
    if way.destination is not None and way.count:
        yield Moved(way.destination, way.count, into, way.hosts), way.uids
    stayed = out - way.count
    if not way.count or stayed * _TENTH >= out:
        yield Moved(target, stayed, 0 if way.count else into, (), way.hosts[0]), ()


def _session(one: Seen) -> SessionKey:
    return one.agent, one.boot, one.session
