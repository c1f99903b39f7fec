"""Many failed logins from one address, then one that succeeds, in whatever order they come."""

from __future__ import annotations

import bisect
from collections.abc import Iterable

import msgspec

from evidence.kind import Endpoint
from evidence.kinds.login import Accepted, Failed

from ..bounded import remember
from ..record import Person, Record
from ..rule import Correlation, Finding, Parameter, Site, Step, Story

_FAILURES = Parameter("failures", 8, "failed logins", "people mistype a password a few times, rarely more")
_WINDOW = Parameter("window", 600, "seconds", "guessing tools try several times a minute")
_SOURCES_LIMIT = 20_000
_KEPT, _LOGINS_KEPT = 100, 16
_NS = 1_000_000_000
Failure = tuple[int, str, int]
"""Time (UTC ns), event uid, count."""


class Login(msgspec.Struct, frozen=True):
    """A login that succeeded: its time (UTC ns) and event, the account, the method, and whose it is."""

    time: int
    uid: str
    user: str
    method: str | None
    person: Person | None


class State(msgspec.Struct):
    """By ``agent|address``: failures and logins, both by time."""

    failures: dict[str, list[Failure]] = {}
    logins: dict[str, list[Login]] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if not isinstance(body, Failed | Accepted) or body.source is None:
        return ()
    key = f"{record.agent}|{body.source.ip}"
    if isinstance(body, Failed):
        tried = state.failures.get(key, [])
        bisect.insort(tried, (record.event.time, record.uid, body.count))
        remember(state.failures, key, tried[-_KEPT:], _SOURCES_LIMIT)
    else:
        login = Login(record.event.time, record.uid, body.user, body.method, record.person)
        logins = sorted([*state.logins.get(key, ()), login], key=_order)
        remember(state.logins, key, logins[-_LOGINS_KEPT:], _SOURCES_LIMIT)
    return _judge(state, record, (key, body.source.ip), site)


def _judge(state: State, record: Record, about: tuple[str, str], site: Site) -> Iterable[Finding]:
    """Return the last login after enough failures; one that follows enough of them uses them up."""
    least, window = site.number(_ID, _FAILURES), int(site.number(_ID, _WINDOW) * _NS)
    found, used = None, 0
    for login in state.logins.get(about[0], ()):
        since = max(login.time - window, used + 1)
        recent = [one for one in state.failures.get(about[0], ()) if since <= one[0] <= login.time]
        if sum(one[2] for one in recent) >= least:
            found, used = (login, recent), login.time
    return () if found is None else (_finding(record, about, *found),)


def _finding(record: Record, about: tuple[str, str], login: Login, recent: list[Failure]) -> Finding:
    (key, address), count = about, sum(one[2] for one in recent)
    method = login.method or "unknown method"
    return Finding(
        entity=key,
        summary=f"{address} logged in to {record.host} as {login.user} ({method}) "
        f"after {count} failed attempts",
        time=login.time,
        agent=record.agent,
        host=record.host,
        evidence=(*[one[1] for one in recent[-20:]], login.uid),
        person=login.person,
        details={"source": address, "failures": str(count)},
    )


def _order(login: Login) -> tuple[int, str]:
    return login.time, login.uid


_ID = "ssh-bruteforce"
_FROM = Endpoint(ip="203.0.113.66", port=40_000)
_FAIL = Failed(program="sshd", user="bob", pid=70, method="password", source=_FROM)
_IN = Accepted(program="sshd", user="bob", pid=99, method="password", source=_FROM)
_GUESSES = tuple(Step(second, _FAIL) for second in range(9))

CORRELATION = Correlation(
    id=_ID,
    version=2,
    title="Password guessed over ssh",
    severity="high",
    attack=("T1110", "T1078"),
    kinds=(Failed, Accepted),
    state=State,
    step=_step,
    parameters=(_FAILURES, _WINDOW),
    hits=(
        Story("nine failures, then a login from the same address", (*_GUESSES, Step(10, _IN))),
        Story(
            "syslog folded the failures into one repeated line",
            (Step(0, Failed(program="sshd", user="bob", source=_FROM, count=12)), Step(10, _IN)),
        ),
        Story("the failures are told after the login", (Step(10, _IN), *_GUESSES)),
        Story("others log in after it", (*_GUESSES, Step(10, _IN), Step(20, _IN), Step(30, _IN))),
    ),
    misses=(
        Story("three mistyped passwords", (*_GUESSES[:3], Step(10, _IN))),
        Story(
            "the login comes from another address",
            (*_GUESSES, Step(10, Accepted(program="sshd", user="bob", source=Endpoint(ip="198.51.100.7")))),
        ),
        Story("the failures are hours old", (*_GUESSES, Step(7200, _IN))),
    ),
)
