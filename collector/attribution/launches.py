"""What a session asked a container runtime or systemd to start, moments before it starts. Pure.

Request and process come from one sensor in one lane, so the request is told first.
"""

from __future__ import annotations

from evidence.kinds.process import Exec

from .job_commands import Started, is_same_command, started
from .jobs import Cause, Caused, Host, Launch, caused_by, one_of

WINDOW = 10_000_000_000
"""Nanoseconds from the request to what it starts."""
NAMED_WINDOW = 86_400_000_000_000
"""Nanoseconds for which a unit's name is remembered: a timer may start it later."""
_LAUNCHES = 32


def launched(host: Host, body: Exec, cause: Cause) -> Started | None:
    """Note what a session asked for elsewhere, if this exec is such a request, and return that."""
    what = started(body.argv)
    if what is None:
        return None
    still = [one for one in host.launches if cause.time - one.cause.time <= _patience(one.what)]
    host.launches = [*still, Launch(cause, what)][-_LAUNCHES:]
    return what


def arrived(host: Host, body: Exec, time: int) -> Caused | None:
    """Return who asked for this process of a container or transient unit, which has no login identity."""
    fitting = [one for one in host.launches if _fits(one, body, time)]
    cause = one_of([one.cause for one in fitting])
    if cause is None:
        return None
    if fitting[-1].what.unit:
        return caused_by(cause, "job", cause.person.session)
    host.launches.remove(fitting[-1])
    return caused_by(cause, "inferred", cause.person.session)


def _fits(one: Launch, body: Exec, time: int) -> bool:
    if not 0 <= time - one.cause.time <= _patience(one.what):
        return False
    what = one.what
    if what.container is not None:
        return (
            body.container is not None
            and is_same_command(body.argv, what.command)
            and (not _is_id(what.container) or body.container.startswith(what.container))
        )
    if what.unit:
        return body.unit == what.unit
    return body.unit is not None and body.unit.startswith("run-") and is_same_command(body.argv, what.command)


def _is_id(container: str) -> bool:
    """Return whether a container was named by the first digits of its id rather than by name."""
    return len(container) >= len("0123456789ab") and not container.strip("0123456789abcdef")


def _patience(what: Started) -> int:
    return NAMED_WINDOW if what.unit else WINDOW
