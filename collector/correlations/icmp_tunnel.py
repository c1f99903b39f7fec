"""Data in ICMP: large payloads, another program than ping, or ping with ever new patterns."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close, Report
from evidence.kinds.process import Exec

from ..bounded import remember
from ..measures.outflow import moved
from ..measures.session_work import FLOWS, describe, is_known, key, sender
from ..measures.volume import Volume
from ..measures.windows import Item, Series, amount, uids
from ..record import Record
from ..rule import Connections, Correlation, Finding, Parameter, Site, Step, Story

_PAYLOAD = Parameter("payload", 200, "bytes a packet", "ping sends 56")
_LARGE = Parameter("large_bytes", 65_536, "bytes", "a test of the MTU sends some packets of 1,472")
_BYTES = Parameter("bytes", 4096, "bytes", "what another program than ping may send by ICMP")
_PINGS = Parameter(
    "pings",
    "ping ping6 fping mtr mtr-packet traceroute traceroute6 tracepath nmap oping smokeping keepalived "
    "zabbix_server",
    "program names",
    "these send ICMP as their duty",
)
_PATTERNS = Parameter("patterns", 8, "distinct patterns", "ping -p carries 16 bytes a call")
_WINDOW = Parameter("window", 3600, "seconds", "in which the patterns are counted")
_ENTITIES_LIMIT = 5000
_ITEMS_LIMIT = 200
_SECOND = 1_000_000_000


class State(msgspec.Struct):
    """Volumes by ``who|address``, patterns by session."""

    volumes: dict[str, Volume] = {}
    patterns: dict[str, Series] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if isinstance(body, Exec):
        return _patterns(state, record, body, site)
    if not isinstance(body, FLOWS) or body.protocol != "icmp" or not body.bytes_out:
        return ()
    if is_known(body.remote, site):
        return ()
    return _flow(state, record, body, site)


def _flow(state: State, record: Record, flow: Close | Report, site: Site) -> Iterable[Finding]:
    name = sender(flow)
    is_ping = name in site.words(_ID, _PINGS) or not name
    payload = (flow.bytes_out or 0) // (flow.packets_out or 1)
    if is_ping and payload < site.number(_ID, _PAYLOAD):
        return
    entity = f"{key(record) or f'{record.agent}|{name}'}|{flow.remote.ip}|{'large' if is_ping else name}"
    volume = state.volumes.get(entity)
    if volume is None:
        volume = Volume()
        remember(state.volumes, entity, volume, _ENTITIES_LIMIT)
    volume.add(record, flow, f"in ICMP with {name or 'an unknown program'}")
    if volume.out >= site.number(_ID, _LARGE if is_ping else _BYTES):
        yield moved(record, flow.remote.ip, volume, entity=entity)


def _patterns(state: State, record: Record, body: Exec, site: Site) -> Iterable[Finding]:
    session, pattern = key(record), _pattern(body.argv)
    if session is None or record.person is None or pattern is None:
        return
    series = state.patterns.get(session)
    if series is None:
        series = Series()
        remember(state.patterns, session, series, _ENTITIES_LIMIT)
    span = int(site.number(_ID, _WINDOW)) * _SECOND
    series.add(Item(record.event.time, 16, record.uid, pattern), 2 * span, _ITEMS_LIMIT)
    items = series.densest(span, "distinct")
    count = amount(items, "distinct")
    if count >= site.number(_ID, _PATTERNS):
        yield Finding(
            entity=f"{session}|patterns",
            summary=f"{describe(record.person)} ran ping with {count} patterns on {record.host}",
            time=items[-1].time,
            agent=record.agent,
            host=record.host,
            evidence=uids(items),
            person=record.person,
            details={"patterns": str(count)},
        )


def _pattern(argv: tuple[str, ...]) -> str | None:
    """Return what ping is to fill packets with."""
    for at, word in enumerate(argv[1:], start=1):
        if word == "-p" and at + 1 < len(argv):
            return argv[at + 1][:32]
        if word.startswith("-p") and word[2:]:
            return word[2:34]
    return None


def _programs(site: Site) -> frozenset[str]:
    return site.words(_ID, _PINGS)


def _connections(_site: Site) -> Connections:
    return Connections(protocol="icmp", unknown=True)


_ID = "icmp-tunnel"
_TO = Endpoint(ip="203.0.113.9")


def _sent(
    packets: int, each: int, exe: str = "/usr/sbin/ptunnel", to: Endpoint = _TO, flow: int = 1
) -> Close:
    return Close(
        flow=flow,
        protocol="icmp",
        direction="out",
        local=Endpoint(ip="10.0.0.5"),
        remote=to,
        bytes_out=packets * each,
        bytes_in=packets * each,
        packets_out=packets,
        packets_in=packets,
        actor=Actor(pid=50, exe=exe, uid=0, auid=1000, session=7),
    )


def _ping(pattern: str) -> Exec:
    argv = ("ping", "-c", "1", "-p", pattern, "203.0.113.9")
    return Exec(pid=51, exe="/usr/bin/ping", argv=argv, uid=1000, auid=1000, session=7)


CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Data carried in ICMP",
    severity="medium",
    attack=("T1048.003", "T1095"),
    kinds=(Exec, Close, Report),
    state=State,
    step=_step,
    parameters=(_PAYLOAD, _LARGE, _BYTES, _PINGS, _PATTERNS, _WINDOW),
    programs=_programs,
    connections=_connections,
    hits=(
        Story("a tunnel program", (Step(0, _sent(300, 1000)),)),
        Story("a script with a raw socket", (Step(0, _sent(100, 64, "/usr/bin/python3.11")),)),
        Story("ping with large payloads, for long", (Step(0, _sent(200, 1400, "/usr/bin/ping")),)),
        Story("a file in patterns of ping", tuple(Step(n, _ping(f"{n:032x}")) for n in range(20))),
    ),
    misses=(
        Story(
            "monitoring pings, 64 bytes each 30 s",
            tuple(Step(30 * n, _sent(60, 56, "/usr/bin/ping", flow=n)) for n in range(50)),
        ),
        Story("a test of the MTU", (Step(0, _sent(5, 1472, "/usr/bin/ping")),)),
        Story("a program looks whether a host answers", (Step(0, _sent(4, 32, "/usr/bin/python3.11")),)),
        Story("to a known host", (Step(0, _sent(300, 1000, to=Endpoint(ip="192.0.2.10"))),)),
        Story("ping -p ff, as its manual says", tuple(Step(n, _ping("ff")) for n in range(20))),
        Story("mtr for an hour", (Step(0, _sent(3600, 64, "/usr/bin/mtr-packet")),)),
    ),
)
