"""A private key or the shadow file read by a person it does not belong to, then a connection out."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close, Open
from evidence.kinds.file import Read

from ..bounded import remember
from ..measures.session_work import READERS, describe, is_foreign, key
from ..record import Record
from ..rule import Correlation, Finding, Parameter, Site, Step, Story, connections_out

_WINDOW = Parameter("window", 1800, "seconds", "what is read to be taken leaves soon")
_READERS = Parameter("readers", READERS, "program names", "these read the files as their duty")
_SESSIONS_LIMIT = 20_000
_READS_LIMIT = 20
_NS = 1_000_000_000
_SLACK = _NS
"""A read is told by when the file sensor looked; a pipe has sent it a moment before."""


class Seen(msgspec.Struct, gc=False):
    """Reads of one session: (event time, uid, path), and connections out: (time, uid, address)."""

    reads: list[tuple[int, str, str]] = []
    connections: list[tuple[int, str, str]] = []


class State(msgspec.Struct):
    """By `session_work.key`."""

    sessions: dict[str, Seen] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    session, body = key(record), record.event.body
    if session is None or not isinstance(body, Read | Open | Close):
        return ()
    seen = state.sessions.get(session) or Seen()
    if isinstance(body, Read):
        if not is_foreign(body, site.words(_ID, _READERS)):
            return ()
        seen.reads = [*seen.reads, (body.first or record.event.time, record.uid, body.path)][-_READS_LIMIT:]
    else:
        if body.direction != "out" or site.is_known(body.remote.ip):
            return ()
        at = record.event.time
        seen.connections = [*seen.connections, (at, record.uid, body.remote.ip)][-_READS_LIMIT:]
    remember(state.sessions, session, seen, _SESSIONS_LIMIT)
    return _judge(seen, record, site)


def _judge(seen: Seen, record: Record, site: Site) -> Iterable[Finding]:
    window = int(site.number(_ID, _WINDOW) * _NS)
    for read in seen.reads:
        for connection in seen.connections:
            if not read[0] - _SLACK <= connection[0] <= read[0] + window or record.person is None:
                continue
            yield Finding(
                entity=f"{key(record)}|{read[2]}|{connection[2]}",
                summary=(
                    f"{describe(record.person)} read {read[2]} on {record.host}, "
                    f"then connected to {connection[2]}"
                ),
                time=connection[0],
                agent=record.agent,
                host=record.host,
                evidence=(read[1], connection[1]),
                person=record.person,
                destination=connection[2],
                details={"path": read[2]},
            )


_ID = "secret-read-then-out"
_CAT = Actor(pid=50, exe="/usr/bin/cat", uid=0, auid=1000, session=7)
_NC = Actor(pid=51, exe="/usr/bin/nc", uid=1000, auid=1000, session=7)
_SHADOW = Read(path="/etc/shadow", tree="/etc/shadow", actor=_CAT, owner=0)
_OUT = Open(
    flow=1,
    protocol="tcp",
    direction="out",
    local=Endpoint(ip="10.0.0.5", port=50_000),
    remote=Endpoint(ip="203.0.113.9", port=443),
    actor=_NC,
)
_OWN = Read(path="/home/alice/.ssh/id_ed25519", tree="/home/*/.ssh/id_*", actor=_CAT, owner=1000)
_SUDO = Actor(pid=52, exe="/usr/bin/sudo", uid=0, auid=1000, session=7)

CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="A secret of others read, then a connection out",
    severity="high",
    attack=("T1003.008", "T1552.004"),
    kinds=(Read, Open, Close),
    state=State,
    step=_step,
    parameters=(_WINDOW, _READERS),
    connections=connections_out,
    hits=(
        Story("shadow read with cat, then a connection", (Step(0, _SHADOW), Step(30, _OUT))),
        Story("piped: it has left before the sensor looked", (Step(0, _OUT), Step(0.5, _SHADOW))),
        Story("the connection's event arrives first", (Step(30, _OUT), Step(0, _SHADOW))),
    ),
    misses=(
        Story(
            "sudo checks a password, then apt fetches",
            (Step(0, Read(path="/etc/shadow", tree="/etc/shadow", actor=_SUDO, owner=0)), Step(30, _OUT)),
        ),
        Story("ssh reads the person's own key", (Step(0, _OWN), Step(1, _OUT))),
        Story("the connection was before the read", (Step(0, _OUT), Step(30, _SHADOW))),
        Story("hours lie between", (Step(0, _SHADOW), Step(10_000, _OUT))),
    ),
)
