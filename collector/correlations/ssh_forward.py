"""An ssh tunnel: a forward to a new destination, a long quiet connection, a port opened by sshd, a relay."""

from __future__ import annotations

import re
from collections.abc import Iterable

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close, Listen, Open, Report
from evidence.kinds.login import SessionOpen

from ..alert import Severity
from ..measures.outflow import FORGET, NEW, Outflow, is_new, moved
from ..measures.session_work import base_name, command, describe, is_known, key, sender
from ..record import Record
from ..rule import Connections, Correlation, Finding, Parameter, Site, Step, Story

_LONG = Parameter(
    "long", 14_400, "seconds", "a login to work in ends within half a day's work, or is told as low"
)
_RELAY = Parameter("relay_bytes", 100_000, "bytes", "what sshd sends on for a client, out of the fleet")
_CLIENTS = frozenset({"ssh", "autossh", "dbclient", "plink"})
_SERVERS = frozenset({"sshd", "sshd-session", "dropbear"})
_OPTION = re.compile(r"(Remote|Local|Dynamic|Tunnel)(Forward|Device)?=(?!no\b)", re.IGNORECASE)
_TAKE = frozenset("BbcDEeFIiJLlmOoPpQRSWw")
"""Options of ssh that take a value; after another letter more may follow in the same word."""
_CONNECTIONS = (Open, Close, Report)
_FORWARDS = frozenset("RLDw")
_X11 = range(6000, 6100)
_SSH_PORT = 22
_NS = 1_000_000_000


def _step(state: Outflow, record: Record, site: Site) -> Iterable[Finding]:
    body, person = record.event.body, record.person
    if person is None or person.is_scheduled:
        return ()
    if isinstance(body, Listen):
        return _opened(record, body)
    if not isinstance(body, _CONNECTIONS) or body.direction != "out":
        return ()
    name = base_name((body.actor.exe if body.actor is not None else None) or "")
    if name not in _CLIENTS and name not in _SERVERS:
        return ()
    if is_known(body.remote, site):
        return ()
    return _tunnel(state, record, _as_report(body), site)


def _as_report(body: Open | Close | Report) -> Close | Report:
    """Return what an open tells as a report of no bytes yet."""
    if not isinstance(body, Open):
        return body
    return Report(
        flow=body.flow,
        protocol=body.protocol,
        direction=body.direction,
        local=body.local,
        remote=body.remote,
        bytes_out=0,
        bytes_in=0,
        actor=body.actor,
    )


def _tunnel(state: Outflow, record: Record, flow: Close | Report, site: Site) -> Iterable[Finding]:
    flag = forward(command(flow)) if sender(flow) in _CLIENTS else None
    how = f"through a tunnel (ssh {flag})" if flag else f"with {sender(flow)}"
    _work, volume, _grown = state.count(record, flow, how)
    if not is_new(_ID, state, record, volume, site):
        return
    address = flow.remote.ip
    if flag is not None:
        yield moved(record, address, volume, entity=f"{key(record)}|{address}|forward")
    elif sender(flow) in _SERVERS and volume.out >= site.number(_ID, _RELAY):
        yield moved(record, address, volume, entity=f"{key(record)}|{address}|relay")
    elif (flow.duration or 0) >= site.number(_ID, _LONG) * _NS:
        yield moved(record, address, volume, severity="low", entity=f"{key(record)}|{address}|long")


def forward(words: str) -> str | None:
    """Return the option of an ssh command line that forwards; options end where the host is named."""
    rest = words.split()[1:]
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            return None
        for at, letter in enumerate(word[1:], start=1):
            if letter not in _TAKE:
                continue
            value = word[at + 1 :] or (rest.pop(0) if rest else "")
            if letter in _FORWARDS:
                return f"-{letter} {value}"
            if letter == "o" and _OPTION.match(value):
                return f"-o {value}"
            break
    return None


def _opened(record: Record, body: Listen) -> Iterable[Finding]:
    """Tell a port that sshd opened for a client (-R): one that only this host reaches is low."""
    name = base_name((body.actor.exe if body.actor is not None else None) or "")
    port, is_local = body.local.port, body.local.ip in ("127.0.0.1", "::1")
    if name not in _SERVERS or port in (None, _SSH_PORT) or record.person is None:
        return
    if is_local and port in _X11:
        return
    severity: Severity | None = "low" if is_local else None
    yield Finding(
        entity=f"{key(record)}|listens {body.local.ip}:{port}",
        summary=f"{describe(record.person)} opened port {port} of {record.host} ({body.local.ip}) by ssh -R",
        time=record.event.time,
        agent=record.agent,
        host=record.host,
        evidence=(record.uid,),
        person=record.person,
        severity=severity,
        details={"port": str(port)},
    )


def _connections(_site: Site) -> Connections:
    return Connections("out", unknown=True, programs=_CLIENTS | _SERVERS)


_ID = "ssh-forward"
_VPS = Endpoint(ip="203.0.113.9", port=22)
_DB = Endpoint(ip="192.0.2.10", port=22)
_HOST = Endpoint(ip="10.0.0.5", port=50_000)
_DAY = 86_400.0
_SSHD = Actor(pid=70, exe="/usr/sbin/sshd", uid=1000, auid=1000, session=7)
_CRON = SessionOpen(program="cron", user="alice", auid=1000, session=7, pid=40)


def _ssh(words: str) -> Actor:
    return Actor(pid=50, exe="/usr/bin/ssh", cmd_line=words, uid=1000, auid=1000, session=7)


def _open(words: str, to: Endpoint = _VPS) -> Open:
    return Open(flow=1, protocol="tcp", direction="out", local=_HOST, remote=to, actor=_ssh(words))


def _close(actor: Actor, out: int = 5000, seconds: int = 60, to: Endpoint = _VPS, flow: int = 1) -> Close:
    return Close(
        flow=flow,
        protocol="tcp",
        direction="out",
        local=_HOST,
        remote=to,
        bytes_out=out,
        bytes_in=out,
        duration=seconds * _NS,
        actor=actor,
    )


def _listen(ip: str, port: int, actor: Actor = _SSHD) -> Listen:
    return Listen(protocol="tcp", local=Endpoint(ip=ip, port=port), actor=actor)


_BACK = "ssh -fNR 2222:localhost:22 vps"

CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Tunnel by ssh to a new destination",
    severity="medium",
    attack=("T1572", "T1021.004"),
    kinds=(Open, Close, Report, Listen),
    state=Outflow,
    step=_step,
    parameters=(_LONG, _RELAY, NEW, FORGET),
    connections=_connections,
    hits=(
        Story("ssh -fNR back into the host", (Step(0, _open(_BACK)),)),
        Story("ssh -D, told at its end", (Step(0, _close(_ssh("ssh -p 443 -D1080 vps"))),)),
        Story("as an option's words", (Step(0, _open("ssh -o RemoteForward=2222:localhost:22 vps")),)),
        Story("sshd opens a port to the network", (Step(0, _listen("::", 2222)),)),
        Story("sshd relays out for a client", (Step(0, _close(_SSHD, out=3_000_000)),)),
        Story("open for six hours", (Step(6 * 3600, _close(_ssh("ssh vps"), seconds=6 * 3600)),)),
    ),
    misses=(
        Story("a bastion's ssh -L to a database of ours", (Step(0, _open("ssh -L 5432:db:5432 db", _DB)),)),
        Story(
            "an ordinary login",
            (Step(0, _open("ssh vps tail -R log")), Step(60, _close(_ssh("ssh vps tail -R log")))),
        ),
        Story("agent forwarding and a jump", (Step(0, _open("ssh -A -W app:22 -o ForwardAgent=yes vps")),)),
        Story(
            "a tunnel this person uses each week",
            (Step(0, _close(_ssh("ssh vps"))), Step(7 * _DAY, _close(_ssh(_BACK), flow=2))),
        ),
        Story("X11", (Step(0, _listen("127.0.0.1", 6010)),)),
        Story(
            "sshd itself starts",
            (Step(0, _listen("::", 22, Actor(pid=1, exe="/usr/sbin/sshd", uid=0))),),
        ),
        Story("a timer's tunnel", (Step(0, _CRON), Step(1, _open(_BACK)))),
    ),
)
