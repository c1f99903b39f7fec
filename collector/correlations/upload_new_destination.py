"""Many bytes leave in a person's session, towards a destination that is new for this person."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close, Report
from evidence.kinds.file import Read
from evidence.kinds.login import SessionOpen
from evidence.kinds.process import Exec

from ..alert import Severity
from ..examples import PEERS, TEAM, colleague, colleagues
from ..measures.baselines import day_of
from ..measures.outflow import FORGET, NEW, SECOND, Outflow, Work, is_new, moved, signs_before
from ..measures.person_days import PersonDays, Usual
from ..measures.session_work import ARCHIVERS, READERS, SIGNS, is_foreign, leaving
from ..measures.volume import Volume
from ..record import Record
from ..rule import Correlation, Finding, Parameter, Site, Step, Story, connections_out

_BYTES = Parameter(
    "bytes", 5_000_000, "bytes", "configuration and source patches are smaller, archives larger"
)
_HISTORY = Parameter(
    "history", 7, "days", "with less history every destination is new: a second sign is needed"
)
_UNUSUAL = Parameter(
    "unusual", 3500, "thousandths of a robust z", "beyond what this person sends on other days"
)
_WINDOW = Parameter("window", 86_400, "seconds", "what is packed or read to be taken leaves within a day")
_PACKERS = Parameter("archivers", ARCHIVERS, "program names", "packing comes before taking away")
_READERS = Parameter("readers", READERS, "program names", "these read secrets as their duty")


class State(Outflow):
    """Also the bytes that each person sent a day."""

    sent: PersonDays = msgspec.field(default_factory=PersonDays)


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    if isinstance(record.event.body, SIGNS):
        words = _sign(record, site)
        if words is None:
            return ()
        work = state.sign(record, words, 2 * int(site.number(_ID, _WINDOW)) * SECOND)
        return _judged(state, work, record, site, list(work.volumes)) if work.volumes else ()
    if isinstance(record.event.body, SessionOpen):
        if record.person is not None and not record.person.is_scheduled:
            state.used.saw(record.person.name, _HERE, day_of(record.event.time))
        return ()
    flow = leaving(record, site)
    if flow is None or record.person is None:
        return ()
    work, _volume, grown = state.count(record, flow)
    state.sent.add(record.person.name, grown.day, grown.out)
    return _judged(state, work, record, site, [flow.remote.ip])


def _sign(record: Record, site: Site) -> str | None:
    """Return that something was packed, or that a secret of another was read."""
    person, body = record.person, record.event.body
    if person is None or person.is_scheduled:
        return None
    if isinstance(body, Exec):
        return f"packed with {' '.join(body.argv)[:200]}"
    if isinstance(body, Read) and is_foreign(body, site.words(_ID, _READERS)):
        return f"read {body.path}"
    return None


def _judged(state: State, work: Work, record: Record, site: Site, addresses: list[str]) -> Iterable[Finding]:
    least = site.number(_ID, _BYTES)
    for address in addresses:
        volume = work.volumes[address]
        if volume.out < least or not is_new(_ID, state, record, volume, site):
            continue
        signs = signs_before(work, volume, site.number(_ID, _WINDOW))
        how = "unusual" if signs else _compared(state, record, volume, site)
        if how != "usual":
            severity: Severity | None = "medium" if how == "as peers" else None
            others = state.others(record, volume)
            yield moved(record, address, volume, signs=signs, severity=severity, others=others)


def _compared(state: State, record: Record, volume: Volume, site: Site) -> Usual:
    """Return whether the person's other days, or those of their peers, explain so much on a day.

    Without a sign that means nothing before the person was at work for some days: who never sent anything in
    them has no destinations, and that is a history too.
    """
    day, person = day_of(volume.last), record.person.name if record.person is not None else ""
    if not state.used.has_history(person, day, int(site.number(_ID, _HISTORY))):
        return "usual"
    return state.sent.judge(person, day, site.number(_ID, _UNUSUAL), site.known)


def _programs(site: Site) -> frozenset[str]:
    return site.words(_ID, _PACKERS)


_HERE = "here"
"""Stands among the places for having been at work."""
_ID = "upload-new-destination"
_ALICE = Actor(pid=50, exe="/usr/bin/curl", uid=1000, auid=1000, session=7)
_TO = Endpoint(ip="203.0.113.9", port=443)
_HOME = Endpoint(ip="10.0.0.5", port=50_000)
_TAR = Exec(
    pid=49, exe="/usr/bin/tar", argv=("tar", "czf", "/srv/s.tgz", "/srv"), uid=1000, auid=1000, session=7
)
_SUDO = Read(
    path="/etc/shadow",
    tree="/etc/shadow",
    actor=Actor(pid=5, exe="/usr/bin/sudo", uid=0, auid=1000, session=7),
    owner=0,
)
_CRON = SessionOpen(program="cron", user="alice", auid=1000, session=7, pid=40)


_DAY = 86_400.0


def _sent(count: int | None, to: Endpoint = _TO, flow: int = 1, actor: Actor = _ALICE) -> Close:
    return Close(
        flow=flow,
        protocol="tcp",
        direction="out",
        local=_HOME,
        remote=to,
        bytes_out=count,
        bytes_in=300,
        actor=actor,
    )


def _usual(count: int) -> tuple[Step, ...]:
    """Return a week of work: as much as count to a destination that is old by then, each day."""
    return tuple(
        Step(day * _DAY, _sent(count + day, Endpoint(ip="198.51.100.1"), flow=day)) for day in range(10)
    )


_OLD = Endpoint(ip="198.51.100.1")


def _team(count: int) -> tuple[Step, ...]:
    """Return alice, who seldom sends anything, and colleagues who send count each day."""
    seldom = tuple(Step(day * _DAY, _sent(900, _OLD, flow=day)) for day in (1, 8))
    theirs = tuple(
        Step(day * _DAY + at, _sent(count + day, _OLD, 50 + day, colleague(at, day, "/usr/bin/curl")))
        for day in range(1, 9)
        for at in range(len(PEERS))
    )
    return (*colleagues(), *seldom, *theirs)


def _report(count: int) -> Report:
    return Report(
        flow=1,
        protocol="tcp",
        direction="out",
        local=_HOME,
        remote=_TO,
        bytes_out=count,
        bytes_in=0,
        actor=_ALICE,
    )


CORRELATION = Correlation(
    id=_ID,
    version=3,
    title="Data taken to a destination new for this person",
    severity="high",
    attack=("T1048", "T1560"),
    kinds=(Exec, Read, Close, Report, SessionOpen),
    state=State,
    step=_step,
    parameters=(_BYTES, _HISTORY, NEW, FORGET, _UNUSUAL, _WINDOW, _PACKERS, _READERS),
    programs=_programs,
    connections=connections_out,
    hits=(
        Story("archive, then upload", (Step(0, _TAR), Step(2, _sent(20_000_000)))),
        Story("the upload's event arrives before the archive's", (Step(2, _sent(20_000_000)), Step(1, _TAR))),
        Story(
            "many small uploads add up",
            (Step(0, _TAR), *[Step(n + 1, _sent(900_000, flow=n)) for n in range(7)]),
        ),
        Story(
            "after a week of history a new destination is enough",
            (Step(0, _sent(100, Endpoint(ip="198.51.100.1"))), Step(8 * _DAY, _sent(20_000_000))),
        ),
        Story(
            "who never sent anything to outside, after days at work",
            (
                Step(0, SessionOpen(program="sshd", user="alice", auid=1000, session=3, pid=40)),
                Step(8 * _DAY, _sent(20_000_000)),
            ),
        ),
        Story(
            "much more than on other days, to a new destination",
            (*_usual(4_000_000), Step(10 * _DAY, _sent(80_000_000, flow=99))),
        ),
        Story(
            "far more than any of those who do the same work",
            (*_team(900_000), Step(10 * _DAY, _sent(80_000_000, flow=99))),
            organisation=TEAM,
        ),
        Story(
            "more than on their own other days, though others do as much: medium",
            (
                *_team(60_000_000),
                *_usual(4_000_000),
                Step(10 * _DAY, _sent(80_000_000, flow=99)),
            ),
            organisation=TEAM,
        ),
        Story(
            "a flow that is still open has sent enough",
            (
                Step(0, _TAR),
                Step(3, _report(10_000_000)),
            ),
            until=10,
        ),
        Story(
            "a flow that ends soon is told once, with its final count",
            (Step(0, _TAR), Step(3, _report(10_000_000)), Step(4, _sent(20_000_000))),
            until=10,
        ),
    ),
    misses=(
        Story(
            "the same bytes to a known backup host",
            (Step(0, _TAR), Step(2, _sent(20_000_000, Endpoint(ip="192.0.2.10")))),
        ),
        Story("a small webhook", (Step(0, _TAR), Step(2, _sent(3000)))),
        Story("no history yet, and nothing was packed or read", (Step(0, _sent(20_000_000)),)),
        Story(
            "a destination this person has used for days",
            (Step(0, _sent(100)), Step(9 * _DAY, _sent(20_000_000))),
        ),
        Story("the nightly job", (Step(0, _CRON), Step(1, _TAR), Step(2, _sent(20_000_000)))),
        Story("bytes that were not counted", (Step(0, _TAR), Step(2, _sent(None)))),
        Story(
            "a new destination, but no more than on other days",
            (*_usual(4_800_000), Step(10 * _DAY, _sent(6_000_000, flow=99))),
        ),
        Story(
            "no more than others who do the same work, by somebody who seldom sends anything",
            (*_team(60_000_000), Step(10 * _DAY, _sent(80_000_000, flow=99))),
            organisation=TEAM,
        ),
        Story(
            "sudo reads the shadow file to check a password",
            (Step(0, _SUDO), Step(2, _sent(20_000_000))),
        ),
        Story(
            "packed after the upload was over",
            (Step(0, _sent(20_000_000)), Step(3600, _TAR)),
        ),
    ),
)
