"""Bytes leave through a bare pipe to the network: netcat, socat, openssl s_client, telnet."""

from __future__ import annotations

from collections.abc import Iterable

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close, Report
from evidence.kinds.file import Read
from evidence.kinds.process import Exec

from ..alert import Severity
from ..measures.outflow import SECOND, Outflow, Work, moved, signs_before
from ..measures.session_work import ARCHIVERS, READERS, SIGNS, is_foreign, is_known, moving, program, sender
from ..record import Record
from ..rule import Connections, Correlation, Finding, Parameter, Site, Step, Story

_BYTES = Parameter("bytes", 10_000, "bytes", "a look at a service by hand sends a few lines")
_PIPES = Parameter(
    "pipes",
    "nc ncat netcat nc.openbsd nc.traditional socat openssl telnet cryptcat pwncat",
    "program names",
    "these carry whatever they are given",
)
_PACKERS = Parameter(
    "archivers", ARCHIVERS.replace(" openssl", ""), "program names", "what is piped is packed first"
)
_READERS = Parameter("readers", READERS, "program names", "these read secrets as their duty")
_WINDOW = Parameter("window", 3600, "seconds", "what was packed or read for it")


def _step(state: Outflow, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if isinstance(body, SIGNS):
        words = _sign(record, site)
        if words is None:
            return ()
        work = state.sign(record, words, 2 * int(site.number(_ID, _WINDOW)) * SECOND)
        return _judged(work, record, site, list(work.volumes)) if work.volumes else ()
    flow = moving(record)
    if flow is None or not flow.bytes_out or sender(flow) not in site.words(_ID, _PIPES):
        return ()
    if is_known(flow.remote, site):
        return ()
    work, _volume, _grown = state.count(record, flow, f"with {sender(flow)}")
    return _judged(work, record, site, [flow.remote.ip])


def _sign(record: Record, site: Site) -> str | None:
    person, body = record.person, record.event.body
    if person is None or person.is_scheduled:
        return None
    if isinstance(body, Exec):
        return f"packed with {program(body)}"
    if isinstance(body, Read) and is_foreign(body, site.words(_ID, _READERS)):
        return f"read {body.path}"
    return None


def _judged(work: Work, record: Record, site: Site, addresses: list[str]) -> Iterable[Finding]:
    for address in addresses:
        volume = work.volumes[address]
        if volume.out < site.number(_ID, _BYTES):
            continue
        signs = signs_before(work, volume, site.number(_ID, _WINDOW))
        severity: Severity | None = "high" if signs else None
        yield moved(record, address, volume, signs=signs, severity=severity)


def _programs(site: Site) -> frozenset[str]:
    return site.words(_ID, _PACKERS)


def _connections(site: Site) -> Connections:
    return Connections(unknown=True, programs=site.words(_ID, _PIPES))


_ID = "netcat-transfer"
_TO = Endpoint(ip="203.0.113.9", port=9)
_HOST = Endpoint(ip="10.0.0.5", port=9)
_TAR = Exec(pid=49, exe="/usr/bin/tar", argv=("tar", "c", "."), uid=1000, auid=1000, session=7)


def _sent(
    count: int,
    exe: str = "/usr/bin/nc.openbsd",
    to: Endpoint = _TO,
    *,
    inward: bool = False,
    session: int | None = 7,
) -> Close:
    return Close(
        flow=1,
        protocol="tcp",
        direction="in" if inward else "out",
        local=_HOST,
        remote=to,
        bytes_out=count,
        actor=Actor(
            pid=50, exe=exe, uid=1000 if session else 998, auid=1000 if session else None, session=session
        ),
    )


CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Bytes piped out with a bare network tool",
    severity="medium",
    attack=("T1048.003", "T1095"),
    kinds=(Exec, Read, Close, Report),
    state=Outflow,
    step=_step,
    parameters=(_BYTES, _PIPES, _PACKERS, _READERS, _WINDOW),
    programs=_programs,
    connections=_connections,
    hits=(
        Story("tar piped into nc", (Step(0, _TAR), Step(0.1, _sent(3_000_000)))),
        Story("the archive's event comes after", (Step(2, _sent(3_000_000)), Step(0, _TAR))),
        Story("socat alone", (Step(0, _sent(50_000, "/usr/bin/socat")),)),
        Story("openssl s_client", (Step(0, _sent(50_000, "/usr/bin/openssl")),)),
        Story("nc listens, and somebody outside fetches", (Step(0, _sent(50_000, inward=True)),)),
        Story("a renamed copy still runs from its own file", (Step(0, _sent(90_000, "/home/alice/ncat")),)),
    ),
    misses=(
        Story("nc -z asks whether a port is open", (Step(0, _sent(0)),)),
        Story("a few lines by hand", (Step(0, _sent(400, "/usr/bin/telnet")),)),
        Story("to a known host", (Step(0, _TAR), Step(1, _sent(3_000_000, to=Endpoint(ip="192.0.2.10"))))),
        Story("a service's own socat", (Step(0, _sent(3_000_000, "/usr/bin/socat", session=None)),)),
        Story("a certificate is looked at", (Step(0, _sent(900, "/usr/bin/openssl")),)),
    ),
)
