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
from ..record import Record
from ..rule import Correlation, Finding, Parameter, Site
from ..session_work import describe, size

_BYTES = Parameter("bytes", 1_000_000, "bytes", "a runtime's own traffic is smaller")
_PROGRAMS = Parameter(
    "programs",
    "nginx postgres mysqld mariadbd qemu-system-x86_64 fio node redis-server scylla ceph-osd rclone",
    "program names",
    "these use io_uring as packaged",
)
_PROCESSES_LIMIT = 20_000
_FLOWS = 16


class Process(msgspec.Struct):
    """One process of a person: the ring's event, and by flow and destination what it sent, with the uid."""

    ring: str | None = None
    sent: dict[str, tuple[int, int, str]] = {}


class State(msgspec.Struct):
    """By ``agent|boot|pid|start``."""

    processes: dict[str, Process] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if isinstance(body, Close | Report):
        if body.direction != "out" or not body.bytes_out or record.person is None:
            return ()
    elif not isinstance(body, Ring):
        return ()
    actor = body.actor
    if actor is None or actor.pid is None or by_person(record, site) is None or is_change(record, site):
        return ()
    key = f"{record.agent}|{record.boot}|{actor.pid}|{actor.start}"
    process = state.processes.get(key)
    if isinstance(body, Ring):
        if is_system_program(actor.exe, site.words(_ID, _PROGRAMS)):
            return ()
        process = process or Process()
        process.ring = process.ring or record.uid
    else:
        if site.is_known(body.remote.ip):
            return ()
        process = process or Process()
        flow = f"{body.flow}|{body.remote.ip}"
        total = max(body.bytes_out or 0, process.sent.get(flow, (0, 0, ""))[0])
        remember(process.sent, flow, (total, record.event.time, record.uid), _FLOWS)
    remember(state.processes, key, process, _PROCESSES_LIMIT)
    return _judge(process, key, actor, record, site)


def _judge(process: Process, key: str, actor: Actor, record: Record, site: Site) -> Iterable[Finding]:
    total = sum(one[0] for one in process.sent.values())
    if process.ring is None or record.person is None or total < site.number(_ID, _BYTES):
        return
    largest = max(process.sent, key=lambda flow: (process.sent[flow][0], flow))
    destination = largest.partition("|")[2]
    yield Finding(
        entity=key,
        summary=f"{describe(record.person)} sent {size(total)} from {record.host} to {destination} with "
        f"{actor.exe or 'a program'}, which uses an io_uring",
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
