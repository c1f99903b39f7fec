"""An incident in two or three plain sentences, made from its facts and nothing else. Pure."""

from __future__ import annotations

from ..incident import Incident, Moved
from ..measures.session_work import size

_WAYS = {
    "kernel": "known by the kernel's audit session",
    "hop": "followed from host to host",
    "key": "known by the key",
    "job": "through a job their session started",
    "uid": "known by the user id alone",
    "inferred": "inferred only",
}
_LISTED = 5
_MINUTE = 60
_NS = 1_000_000_000


def summary(incident: Incident) -> str:
    """Return who acted where, what left, and what was found."""
    return " ".join(part for part in (_who(incident), _bytes(incident), _found(incident)) if part)


def _who(incident: Incident) -> str:
    ways = "; ".join(_WAYS[one] for one in incident.how)
    source = f", from {incident.source}" if incident.source else ""
    name = f"{incident.person} ({ways}{source})" if incident.person else "Somebody unknown"
    hosts = _some(incident.hosts, " → " if len(incident.places) > 1 else ", ")
    others = [one for one in incident.accounts if one != incident.person]
    accounts = f" as {_some(incident.accounts)}" if others else ""
    seconds = (incident.end - incident.begin) // _NS
    time = f", within {_lasting(seconds)}" if seconds else ""
    return f"{name} acted on {hosts}{accounts}{time}."


def _bytes(incident: Incident) -> str:
    left = [one for one in incident.moved if one.bytes_out and one.inside is None]
    stayed = [one for one in incident.moved if one.bytes_out and one.inside is not None]
    listed = _some(tuple(f"{size(one.bytes_out)} to {one.destination}{_over(one)}" for one in left))
    total = f"{size(incident.bytes_out)} left: " if len(left) > 1 else ""
    said = [f"{total}{listed}{'' if total else ' left'}."] if left else []
    said += [f"{size(one.bytes_out)} went back to {one.inside} ({one.destination})." for one in stayed]
    return " ".join(said)


def _over(one: Moved) -> str:
    return f" over {', '.join(one.via)}" if one.via else ""


def _found(incident: Incident) -> str:
    titles: dict[str, int] = {}
    for one in incident.timeline:
        titles[one.title] = titles.get(one.title, 0) + 1
    listed = tuple(f"{title} ({count} times)" if count > 1 else title for title, count in titles.items())
    return f"Found: {_some(listed, '; ')}."


def _some(items: tuple[str, ...], joint: str = ", ") -> str:
    more = f"{joint}{len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return joint.join(items[:_LISTED]) + more


def _lasting(seconds: int) -> str:
    if seconds < _MINUTE:
        return f"{seconds} s"
    minutes = seconds // _MINUTE
    return f"{minutes} min" if minutes < _MINUTE else f"{minutes // _MINUTE} h {minutes % _MINUTE:02d} min"
