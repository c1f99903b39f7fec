"""A shell itself, or a program that never connects, sends bytes: /dev/tcp, a reverse shell."""

from __future__ import annotations

from collections.abc import Iterable

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close, Report

from ..measures.outflow import Outflow, moved
from ..measures.session_work import leaving, sender, senders_of
from ..record import Record
from ..rule import Connections, Correlation, Finding, Parameter, Site, Step, Story

_BYTES = Parameter("bytes", 1000, "bytes", "a script that asks for a health page sends less")
_SHELLS = Parameter("shells", "bash sh dash zsh ksh mksh ash busybox fish", "program names", "shells")
_SILENT = Parameter(
    "silent",
    "cat dd head tail tee base64 base32 xxd od gzip zstd xz bzip2 echo printf cp sed awk mawk gawk grep "
    "sort sleep true timeout nohup env",
    "program names",
    "these never connect: a shell opened the socket and gave it to them",
)


def _step(state: Outflow, record: Record, site: Site) -> Iterable[Finding]:
    flow = leaving(record, site, site.words(_ID, _SHELLS)) or leaving(record, site, site.words(_ID, _SILENT))
    if flow is None or _is_question(flow):
        return ()
    program = " that became ".join(senders_of(flow))
    _work, volume, _grown = state.count(record, flow, f"from a socket of {program} itself")
    if volume.out < site.number(_ID, _BYTES):
        return ()
    return (moved(record, flow.remote.ip, volume),)


def _is_question(flow: Close | Report) -> bool:
    """Return whether busybox, which is nslookup too, asks for a name: dns-tunnel judges what it asks."""
    return flow.protocol == "udp" and flow.remote.port == _DNS and sender(flow) == "busybox"


def _connections(site: Site) -> Connections:
    return Connections("out", unknown=True, programs=site.words(_ID, _SHELLS) | site.words(_ID, _SILENT))


_ID = "shell-socket"
_CONTAINER = Actor(pid=9, exe="/bin/bash", uid=1000, container="0123456789ab")
_TO = Endpoint(ip="203.0.113.9", port=443)
_DNS = 53
_ASKED = Close(
    flow=1,
    protocol="udp",
    direction="out",
    local=Endpoint(ip="10.0.0.5", port=50_000),
    remote=Endpoint(ip="203.0.113.9", port=_DNS),
    bytes_out=4000,
    actor=Actor(pid=50, exe="/bin/busybox", uid=1000, auid=1000, session=7),
)


_BECAME_A_SHELL = Actor(pid=50, exe="/usr/bin/nc", became="/usr/bin/bash", uid=1000, auid=1000, session=7)


def _sent(
    count: int, exe: str = "/usr/bin/bash", to: Endpoint = _TO, flow: int = 1, actor: Actor | None = None
) -> Close:
    return Close(
        flow=flow,
        protocol="tcp",
        direction="out",
        local=Endpoint(ip="10.0.0.5", port=50_000),
        remote=to,
        bytes_out=count,
        actor=actor or Actor(pid=50, exe=exe, uid=1000, auid=1000, session=7),
    )


CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="A shell itself sends over the network",
    severity="high",
    attack=("T1059.004", "T1095"),
    kinds=(Close, Report),
    state=Outflow,
    step=_step,
    parameters=(_BYTES, _SHELLS, _SILENT),
    connections=_connections,
    hits=(
        Story("cat file > /dev/tcp/…, run within bash", (Step(0, _sent(80_000)),)),
        Story("the socket of the shell was given to cat", (Step(0, _sent(80_000, "/usr/bin/cat")),)),
        Story("in small pieces", tuple(Step(n, _sent(300, flow=n)) for n in range(5))),
        Story("netcat connected and became a shell", (Step(0, _sent(2000, actor=_BECAME_A_SHELL)),)),
        Story("busybox", (Step(0, _sent(2000, "/bin/busybox")),)),
    ),
    misses=(
        Story("an entrypoint waits for a port", tuple(Step(n, _sent(0, flow=n)) for n in range(60))),
        Story("a health page is asked for", (Step(0, _sent(90)),)),
        Story("to a known host", (Step(0, _sent(80_000, to=Endpoint(ip="192.0.2.10"))),)),
        Story("curl, which is what curl is for", (Step(0, _sent(80_000, "/usr/bin/curl")),)),
        Story("busybox asks for names", (Step(0, _ASKED),)),
        Story("a container's start script", (Step(0, _sent(80_000, actor=_CONTAINER)),)),
    ),
)
