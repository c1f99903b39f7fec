"""A database is dumped in a session, and within the hour bytes leave to where the operator knows nothing."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close, Report
from evidence.kinds.login import SessionOpen
from evidence.kinds.process import Exec

from ..bounded import remember
from ..measures.outflow import SECOND, SESSIONS_LIMIT, SIGNS_LIMIT, Outflow, Work, moved
from ..measures.session_work import key, leaving, program
from ..measures.windows import Item, Series, sequence
from ..record import Record
from ..rule import Correlation, Finding, Parameter, Site, Step, Story, connections_out

_BYTES = Parameter("bytes", 500_000, "bytes", "of what packs well little leaves; a schema is smaller")
_WINDOW = Parameter("window", 3600, "seconds", "dump, pack and upload are one piece of work")
_DUMPS = Parameter(
    "dumps",
    "pg_dump pg_dumpall mysqldump mariadb-dump mysqlpump mydumper mongodump mongoexport redis-dump "
    "ldapsearch slapcat influxd cqlsh sqlite3 expdp",
    "program names",
    "these write a whole store out",
)
_PACKERS = Parameter(
    "packers",
    "gzip pigz bzip2 xz zstd zip 7z 7za tar gpg openssl split base64 rar lz4",
    "program names",
    "the step between; a dump may pack by itself",
)


class State(Outflow):
    """The signs are dumps; what packs is by session beside them, for there may be much of it."""

    packs: dict[str, Series] = msgspec.field(default_factory=dict)


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body, person = record.event.body, record.person
    window = int(site.number(_ID, _WINDOW)) * SECOND
    if isinstance(body, Exec):
        if person is None or person.is_scheduled:
            return ()
        words = " ".join(body.argv)[:200]
        if program(body) in site.words(_ID, _DUMPS):
            work = state.sign(record, f"dumped with {words}", 3 * window)
        else:
            work = _packed(state, record, words, 3 * window)
        return _judged(state, work, record, site, list(work.volumes)) if work.volumes else ()
    flow = leaving(record, site)
    if flow is None:
        return ()
    work, _volume, _grown = state.count(record, flow)
    return _judged(state, work, record, site, [flow.remote.ip])


def _packed(state: State, record: Record, words: str, keep: int) -> Work:
    session = key(record) or ""
    packs = state.packs.get(session)
    if packs is None:
        packs = Series()
        remember(state.packs, session, packs, SESSIONS_LIMIT)
    packs.add(Item(record.event.time, 0, record.uid, f"packed with {words}"), keep, SIGNS_LIMIT)
    return state.work(record)


def _judged(state: State, work: Work, record: Record, site: Site, addresses: list[str]) -> Iterable[Finding]:
    window = int(site.number(_ID, _WINDOW)) * SECOND
    if not work.signs.items:
        return
    packs = state.packs.get(key(record) or "", Series())
    for address in addresses:
        volume = work.volumes[address]
        if volume.out < site.number(_ID, _BYTES):
            continue
        upload = Series([Item(volume.last, volume.out, "")])
        found = sequence((work.signs, upload), window)
        if found is not None:
            # A pipe starts all of its programs at once: what packs may be told a moment before what dumps.
            between = packs.between(found[0].time - SECOND, volume.last)
            yield moved(record, address, volume, signs=sorted((found[0], *between)))


def _programs(site: Site) -> frozenset[str]:
    return site.words(_ID, _DUMPS) | site.words(_ID, _PACKERS)


_ID = "dump-upload"
_TO = Endpoint(ip="203.0.113.9", port=443)
_CRON = SessionOpen(program="cron", user="postgres", auid=1000, session=7, pid=40)


def _ran(*argv: str) -> Exec:
    return Exec(pid=50, exe=f"/usr/bin/{argv[0]}", argv=argv, uid=1000, auid=1000, session=7)


def _sent(count: int, to: Endpoint = _TO, flow: int = 1) -> Close:
    return Close(
        flow=flow,
        protocol="tcp",
        direction="out",
        local=Endpoint(ip="10.0.0.5", port=50_000),
        remote=to,
        bytes_out=count,
        actor=Actor(pid=55, exe="/usr/bin/curl", uid=1000, auid=1000, session=7),
    )


_DUMP = _ran("pg_dump", "orders")

CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Database dumped, then uploaded",
    severity="high",
    attack=("T1005", "T1560.001", "T1048"),
    kinds=(Exec, Close, Report),
    state=State,
    step=_step,
    parameters=(_BYTES, _WINDOW, _DUMPS, _PACKERS),
    programs=_programs,
    connections=connections_out,
    hits=(
        Story(
            "dump, pack, split, upload",
            (
                Step(0, _DUMP),
                Step(0.01, _ran("gzip")),
                Step(60, _ran("split", "-b", "10m", "d")),
                Step(90, _sent(900_000)),
            ),
        ),
        Story(
            "in one pipe, gzip told first",
            (Step(0, _ran("gzip")), Step(0.01, _DUMP), Step(9, _sent(2_000_000))),
        ),
        Story(
            "the dump packs by itself", (Step(0, _ran("pg_dump", "-Fc", "orders")), Step(9, _sent(2_000_000)))
        ),
        Story("the upload is told before the dump", (Step(90, _sent(900_000)), Step(0, _DUMP))),
        Story("in parts", (Step(0, _DUMP), *[Step(9 + n, _sent(90_000, flow=n)) for n in range(8)])),
    ),
    misses=(
        Story("the nightly dump, by a timer", (Step(0, _CRON), Step(1, _DUMP), Step(9, _sent(2_000_000)))),
        Story("to the backup host", (Step(0, _DUMP), Step(9, _sent(2_000_000, Endpoint(ip="192.0.2.10"))))),
        Story("nothing was dumped", (Step(0, _ran("gzip", "log")), Step(9, _sent(2_000_000)))),
        Story("hours lie between", (Step(0, _DUMP), Step(9000, _sent(2_000_000)))),
        Story("the upload was before", (Step(0, _sent(2_000_000)), Step(60, _DUMP))),
        Story(
            "a schema goes to a colleague", (Step(0, _ran("pg_dump", "-s", "orders")), Step(9, _sent(40_000)))
        ),
    ),
)
