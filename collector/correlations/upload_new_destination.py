"""Many bytes leave in a person's session, towards a destination that is new for this person."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close, Report
from evidence.kinds.file import Read
from evidence.kinds.login import SessionOpen
from evidence.kinds.process import Exec

from ..bounded import remember
from ..record import NOT_INTERACTIVE, Person, Record
from ..rule import Correlation, Finding, Parameter, Site, Step, Story
from ..session_work import ARCHIVERS, describe, key, program, size

_BYTES = Parameter(
    "bytes", 5_000_000, "bytes", "configuration and source patches are smaller, archives larger"
)
_HISTORY = Parameter(
    "history", 7, "days", "with less history every destination is new: a second sign is needed"
)
_NEW = Parameter("new", 24, "hours", "a destination stays new for a working day after its first use")
_PACKERS = Parameter("archivers", ARCHIVERS, "program names", "packing comes before taking away")
_SESSIONS_LIMIT = 20_000
_PEOPLE_LIMIT = 20_000
_DESTINATIONS_LIMIT = 2000
_FLOWS_LIMIT = 200
_SIGNS_LIMIT = 20
_OPEN_LIMIT = 1000
_GROWTH = 2
"""What was told is told again when it has grown by this factor."""
_PATIENCE = 2_000_000_000
_HOUR = 3_600_000_000_000
_FLOWS = (Close, Report)


class Upload(msgspec.Struct):
    """Bytes out of one session to one destination: by flow, and what was last told."""

    flows: dict[str, int] = {}
    closed: int = 0
    told: int = 0
    time: int = 0
    evidence: list[str] = []


class Work(msgspec.Struct):
    """One session: who and where, what was packed or read (event time, uid, words), and what went where."""

    person: Person
    agent: str
    host: str
    signs: list[tuple[int, str, str]] = []
    uploads: dict[str, Upload] = {}


class History(msgspec.Struct):
    """What a person did before: since when it is known, and when each destination was first used."""

    since: int
    destinations: dict[str, int] = {}


class State(msgspec.Struct):
    """sessions and scheduled sessions by `session_work.key`, people by name; the oldest go first.

    open holds what is large enough while bytes still flow: (session, destination), and until when (UTC ns of
    the collector) the end of the flow is waited for, so that the alert has the final count.
    """

    sessions: dict[str, Work] = {}
    people: dict[str, History] = {}
    scheduled: dict[str, None] = {}
    open: list[tuple[str, str, int]] = []


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    person, body = record.person, record.event.body
    if isinstance(body, Exec) and program(body) not in site.words(_ID, _PACKERS):
        return ()  # nearly every event: no work is spent on it
    session = key(record)
    if session is None or person is None:
        return ()
    if isinstance(body, SessionOpen):
        if body.program in NOT_INTERACTIVE and session not in state.sessions:
            remember(state.scheduled, session, None, _SESSIONS_LIMIT)
        return ()
    if session in state.scheduled:
        return ()
    work = state.sessions.get(session)
    if work is None:
        work = Work(person, record.agent, record.host)
        remember(state.sessions, session, work, _SESSIONS_LIMIT)
    work.person = person
    if isinstance(body, Close | Report):
        touched = _connection(state, work, record, body, site)
    else:
        touched = _sign(work, record)
    return [
        finding
        for destination in touched
        if _is_large(state, work, destination, site)
        for finding in _now_or_later(state, session, destination, record.received)
    ]


def _sign(work: Work, record: Record) -> Iterable[str]:
    """Note an archive or a sensitive read; it may be what an upload already seen was waiting for."""
    body = record.event.body
    if isinstance(body, Exec):
        work.signs.append((record.event.time, record.uid, f"packed with {' '.join(body.argv)[:200]}"))
    elif isinstance(body, Read):
        work.signs.append((record.event.time, record.uid, f"read {body.path}"))
    del work.signs[:-_SIGNS_LIMIT]
    return list(work.uploads)


def _connection(state: State, work: Work, record: Record, body: Close | Report, site: Site) -> Iterable[str]:
    """Count the bytes, and return the destination if it is one to judge."""
    if body.bytes_out is None or site.is_known(body.remote.ip):
        return ()
    destination, flow = body.remote.ip, f"{record.boot}|{body.flow}"
    upload = work.uploads.get(destination)
    if upload is None:
        upload = Upload()
        remember(work.uploads, destination, upload, _DESTINATIONS_LIMIT)
    if isinstance(body, Close):
        upload.flows.pop(flow, None)
        upload.closed += body.bytes_out
    else:
        remember(upload.flows, flow, body.bytes_out, _FLOWS_LIMIT)
    upload.time = max(upload.time, record.event.time)
    upload.evidence = [*upload.evidence, record.uid][-_SIGNS_LIMIT:]
    past = state.people.get(work.person.name)
    if past is None:
        past = History(record.event.time)
        remember(state.people, work.person.name, past, _PEOPLE_LIMIT)
    if destination not in past.destinations:
        remember(past.destinations, destination, record.event.time, _DESTINATIONS_LIMIT)
    return (destination,)


def _is_large(state: State, work: Work, destination: str, site: Site) -> bool:
    """Return whether so much went to a destination so new that it is worth telling, or telling again."""
    upload = work.uploads[destination]
    # The name of a session's person may be learnt after its first connection.
    past = state.people.get(work.person.name) or History(upload.time)
    if _total(upload) < max(site.number(_ID, _BYTES), upload.told * _GROWTH):
        return False
    if upload.time - past.destinations.get(destination, upload.time) > site.number(_ID, _NEW) * _HOUR:
        return False
    has_history = upload.time - past.since >= site.number(_ID, _HISTORY) * 24 * _HOUR
    return has_history or bool(_signs_before(work, upload))


def _total(upload: Upload) -> int:
    return upload.closed + sum(upload.flows.values())


def _signs_before(work: Work, upload: Upload) -> list[tuple[int, str, str]]:
    return [sign for sign in work.signs if sign[0] <= upload.time]


def _now_or_later(state: State, session: str, destination: str, now: int) -> Iterable[Finding]:
    """Tell at once when no flow is open; else wait a little for the end, and so for the final count."""
    if not state.sessions[session].uploads[destination].flows:
        state.open = [item for item in state.open if item[:2] != (session, destination)]
        return (_tell(state.sessions[session], session, destination),)
    if all(item[:2] != (session, destination) for item in state.open):
        state.open = [*state.open, (session, destination, now + _PATIENCE)][-_OPEN_LIMIT:]
    return ()


def _passed(state: State, now: int, _site: Site) -> Iterable[Finding]:
    """Tell what is still open after the wait, with the bytes so far."""
    due = [item for item in state.open if item[2] <= now]
    if not due:
        return []
    state.open = [item for item in state.open if item[2] > now]
    return [
        _tell(state.sessions[session], session, destination)
        for session, destination, _until in due
        if session in state.sessions and destination in state.sessions[session].uploads
    ]


def _tell(work: Work, session: str, destination: str) -> Finding:
    upload = work.uploads[destination]
    upload.told = total = _total(upload)
    signs = _signs_before(work, upload)
    after = f", after it {signs[0][2]}" if signs else ""
    sent = f"{size(total)} so far" if upload.flows else size(total)
    return Finding(
        entity=f"{session}|{destination}",
        summary=f"{describe(work.person)} sent {sent} from {work.host} to {destination}{after}",
        time=upload.time,
        agent=work.agent,
        host=work.host,
        evidence=(*[sign[1] for sign in signs], *upload.evidence),
        person=work.person,
        destination=destination,
        bytes_out=total,
        details={"signs": "; ".join(sign[2] for sign in signs)[:2000]} if signs else {},
    )


_ID = "upload-new-destination"
_ALICE = Actor(pid=50, exe="/usr/bin/curl", uid=1000, auid=1000, session=7)
_TO = Endpoint(ip="203.0.113.9", port=443)
_HOME = Endpoint(ip="10.0.0.5", port=50_000)
_TAR = Exec(
    pid=49, exe="/usr/bin/tar", argv=("tar", "czf", "/srv/s.tgz", "/srv"), uid=1000, auid=1000, session=7
)
_CRON = SessionOpen(program="cron", user="alice", auid=1000, session=7, pid=40)


def _sent(count: int | None, to: Endpoint = _TO, flow: int = 1) -> Close:
    return Close(
        flow=flow,
        protocol="tcp",
        direction="out",
        local=_HOME,
        remote=to,
        bytes_out=count,
        bytes_in=300,
        actor=_ALICE,
    )


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


_DAY = 86_400.0

CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Data taken to a destination new for this person",
    severity="high",
    attack=("T1048", "T1560"),
    kinds=(Exec, Read, Close, Report, SessionOpen),
    state=State,
    step=_step,
    passed=_passed,
    parameters=(_BYTES, _HISTORY, _NEW, _PACKERS),
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
            "packed after the upload was over",
            (Step(0, _sent(20_000_000)), Step(3600, _TAR)),
        ),
    ),
)
