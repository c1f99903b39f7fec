"""Many failed logins from one address, then one that succeeds."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kind import Endpoint
from evidence.kinds.login import Accepted, Failed

from ..bounded import remember
from ..record import Record
from ..rule import Correlation, Finding, Parameter, Site, Step, Story

_FAILURES = Parameter("failures", 8, "failed logins", "people mistype a password a few times, rarely more")
_WINDOW = Parameter("window", 600, "seconds", "guessing tools try several times a minute")
_SOURCES_LIMIT = 20_000
_KEPT = 100
_NS = 1_000_000_000


class State(msgspec.Struct):
    """Failures by ``agent|address``: (time in UTC ns, count, event uid), oldest first."""

    failures: dict[str, list[tuple[int, int, str]]] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if not isinstance(body, Failed | Accepted) or body.source is None:
        return
    key = f"{record.agent}|{body.source.ip}"
    if isinstance(body, Failed):
        tried = [*state.failures.get(key, ()), (record.event.time, body.count, record.uid)]
        remember(state.failures, key, tried[-_KEPT:], _SOURCES_LIMIT)
        return
    since = record.event.time - int(site.number(_ID, _WINDOW) * _NS)
    recent = [item for item in state.failures.get(key, ()) if since <= item[0] <= record.event.time]
    count = sum(item[1] for item in recent)
    if count < site.number(_ID, _FAILURES):
        return
    del state.failures[key]
    person = record.person
    yield Finding(
        entity=key,
        summary=(
            f"{body.source.ip} logged in to {record.host} as {body.user} ({body.method or 'unknown method'}) "
            f"after {count} failed attempts"
        ),
        time=record.event.time,
        agent=record.agent,
        host=record.host,
        evidence=(*[item[2] for item in recent[-20:]], record.uid),
        person=person,
        details={"source": body.source.ip, "failures": str(count)},
    )


_ID = "ssh-bruteforce"
_FROM = Endpoint(ip="203.0.113.66", port=40_000)
_FAIL = Failed(program="sshd", user="bob", pid=70, method="password", source=_FROM)
_IN = Accepted(program="sshd", user="bob", pid=99, method="password", source=_FROM)
_GUESSES = tuple(Step(second, _FAIL) for second in range(9))

CORRELATION = Correlation(
    id=_ID,
    version=1,
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
