"""A program set up an io_uring in a person's session, and the same process sent much to somewhere unknown.

What a ring does is no system call, so who watches those sees nothing; the kernel's TCP states tell the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kind import Actor, Endpoint
from evidence.kinds.act import Ring
from evidence.kinds.connection import Close, Report

from ..bounded import remember
from ..by_person import by_person, is_change, is_system_program
from ..examples import AWAY, SERVICE, WINDOW, alice, at_once, opened, sent
from ..measures.session_work import describe, size
from ..record import Record
from ..rule import Correlation, Finding, Parameter, Site, connections_out

_BYTES = Parameter("bytes", 1_000_000, "bytes", "a runtime's own traffic is smaller")
_PROGRAMS = Parameter(
    "programs",
    "nginx postgres mysqld mariadbd qemu-system-x86_64 fio node redis-server scylla ceph-osd rclone",
    "program names",
    "these use io_uring as packaged",
)
_PROCESSES_LIMIT = 20_000
_FLOWS = 16
_LEAST = 100_000
"""Bytes of a flow from which it is kept though no ring is known yet: the ring may be told later."""


class Process(msgspec.Struct, gc=False):
    """One process of a person: the ring's event, and by flow and destination what it sent, with the uid."""

    exe: str | None = None
    ring: str | None = None
    sent: dict[str, tuple[int, int, str]] = {}


class State(msgspec.Struct):
    """By ``agent|boot|pid|start`` those with a ring, and those that sent much: a ring may be told later."""

    rings: dict[str, Process] = {}
    senders: dict[str, Process] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body, process = record.event.body, None
    if isinstance(body, Close | Report):
        if body.direction != "out" or record.person is None:
            return ()
        if (body.bytes_out or 0) >= _LEAST or state.rings:  # nearly never
            process = _moved(state, record, body, site)
    elif isinstance(body, Ring):
        process = _set_up(state, record, body, site)
    if process is None or process.ring is None or by_person(record, site) is None or is_change(record, site):
        return ()
    return _judge(process, record, site)


def _key(record: Record, actor: Actor | None) -> str | None:
    if actor is None or actor.pid is None:
        return None
    return f"{record.agent}|{record.boot}|{actor.pid}|{actor.start}"


def _set_up(state: State, record: Record, body: Ring, site: Site) -> Process | None:
    """Note a process with a ring; what it sent may have been told before."""
    key, exe = _key(record, body.actor), body.actor.exe if body.actor is not None else None
    if key is None or key in state.rings or is_system_program(exe, site.words(_ID, _PROGRAMS)):
        return None
    process = state.senders.pop(key, None) or Process(exe=exe)
    process.ring = record.uid
    remember(state.rings, key, process, _PROCESSES_LIMIT)
    return process


def _moved(state: State, record: Record, body: Close | Report, site: Site) -> Process | None:
    """Note what a process sent: all of one with a ring, of others what is much."""
    key = _key(record, body.actor)
    if key is None or not body.bytes_out or site.is_known(body.remote.ip):
        return None
    process = state.rings.get(key)
    if process is None:
        if body.bytes_out < _LEAST:
            return None
        exe = body.actor.exe if body.actor is not None else None
        process = state.senders.get(key) or Process(exe=exe)
        remember(state.senders, key, process, _PROCESSES_LIMIT)
    flow = f"{body.flow}|{body.remote.ip}"
    total = max(body.bytes_out, process.sent.get(flow, (0, 0, ""))[0])
    remember(process.sent, flow, (total, record.event.time, record.uid), _FLOWS)
    return process


def _judge(process: Process, record: Record, site: Site) -> Iterable[Finding]:
    total = sum(one[0] for one in process.sent.values())
    if process.ring is None or record.person is None or total < site.number(_ID, _BYTES):
        return
    largest = max(process.sent, key=lambda flow: (process.sent[flow][0], flow))
    destination = largest.partition("|")[2]
    yield Finding(
        entity=f"{record.agent}|{process.ring}",
        summary=f"{describe(record.person)} sent {size(total)} from {record.host} to {destination} with "
        f"{process.exe or 'a program'}, which uses an io_uring",
        time=max(one[1] for one in process.sent.values()),
        agent=record.agent,
        host=record.host,
        evidence=(process.ring, *sorted(one[2] for one in process.sent.values())),
        person=record.person,
        destination=destination,
        bytes_out=total,
    )


_ID = "ring-transfer"
_EXE = "/home/alice/ringcat"
_HERS = alice(_EXE, start=9, uid=1000)
_RING = Ring(entries=8, actor=_HERS)
_LOT = sent(20_000_000, actor=_HERS)

CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Data sent by a program with an io_uring",
    severity="medium",
    attack=("T1048", "T1106"),
    kinds=(Ring, Close, Report),
    state=State,
    step=_step,
    parameters=(_BYTES, _PROGRAMS),
    connections=connections_out,
    hits=(
        at_once("a ring, then an upload", opened(), _RING, _LOT),
        at_once("the upload's event comes first", opened(), _LOT, _RING),
        at_once(
            "in small parts", opened(), _RING, *[sent(300_000, flow=flow, actor=_HERS) for flow in range(5)]
        ),
        at_once(
            "under the name of nginx",
            opened(),
            Ring(actor=alice("/home/alice/nginx", start=9)),
            sent(20_000_000, actor=alice("/home/alice/nginx", start=9)),
        ),
    ),
    misses=(
        at_once("nginx of the system", Ring(actor=Actor(pid=5, exe="/usr/sbin/nginx", uid=33))),
        at_once(
            "node installs packages",
            opened(),
            Ring(actor=alice("/usr/bin/node", start=9)),
            sent(2_000_000, actor=alice("/usr/bin/node", start=9)),
        ),
        at_once("a test of disks", opened(), _RING),
        at_once("another process sends", opened(), _RING, sent(20_000_000)),
        at_once("a known host", opened(), _RING, sent(20_000_000, to=Endpoint(ip="192.0.2.10"), actor=_HERS)),
        at_once("next to nothing is sent", opened(), _RING, sent(3000, actor=_HERS, to=AWAY)),
        at_once("announced work", opened(), _RING, _LOT, organisation=WINDOW),
        at_once("a robot's account", opened(), _RING, _LOT, organisation=SERVICE),
    ),
)
