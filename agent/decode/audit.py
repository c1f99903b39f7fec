"""Audit records (linux/audit.h) of the kernel's read-only multicast, put together to execs.

An event is several records of one serial: SYSCALL, EXECVE in parts, CWD, PATH, and EOE at the end. Records of
different events interleave. Values are in quotes, or in hexadecimal where they hold what a quote could not.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from evidence.kinds.process import Exec
from evidence.text import to_text

from .bpf_process import known
from .netlink import HEADER
from .proc_files import Snapshot

SYSCALL, CWD, EXECVE, END = 1300, 1307, 1309, 1320
_HEAD = re.compile(rb"audit\((\d{1,12})\.(\d{3}):(\d{1,20})\): ?")
_FIELD = re.compile(rb'([\w\[\]-]{1,64})=("[^"]*"|[^\s"]*)')
_ARGUMENT = re.compile(rb"a(\d{1,6})(?:\[(\d{1,6})\])?")
WINDOW = 2_000_000_000
"""Nanoseconds for which an event waits for its end: records of one event come close together."""
IN_FLIGHT = 50
PARTS = 4096
"""Records of one event that are kept: what is longer is cut, and says so by its length."""
ARGV = 4096
_FROM_PROC = ("start", "parent_start", "cgroup", "environment")


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record: its type, the event's serial and time (UTC ns), and its text."""

    kind: int
    serial: int
    time: int
    text: bytes


def parse(raw: bytes) -> Record | None:
    """Return the record of one datagram, None where it holds none.

    The length in its header is not that of the message, in kernels before 6.x, so the datagram's counts.
    """
    if len(raw) < HEADER.size:
        return None
    kind = HEADER.unpack_from(raw)[1]
    text = raw[HEADER.size :].rstrip(b"\0\n")
    head = _HEAD.match(text)
    if head is None:
        return None
    seconds, millis, serial = (int(part) for part in head.groups())
    return Record(kind, serial, seconds * 10**9 + millis * 10**6, text[head.end() :])


class Assembly:
    """Events whose end has not come: bounded in number and time."""

    def __init__(self) -> None:
        self._open: OrderedDict[int, tuple[int, list[Record]]] = OrderedDict()
        self.cut = 0
        """Events that were given out without their end, since they had waited long enough."""

    def add(self, record: Record, now: int) -> Iterator[list[Record]]:
        """Take a record at now (monotonic ns) and yield the events that are complete, or too old to wait."""
        if record.kind == END:
            whole = self._open.pop(record.serial, None)
            if whole is not None:
                yield whole[1]
        else:
            _, parts = self._open.setdefault(record.serial, (now, []))
            if len(parts) < PARTS:
                parts.append(record)
        yield from self.expire(now)

    def expire(self, now: int) -> Iterator[list[Record]]:
        """Yield the events that have waited too long, or are too many."""
        while self._open:
            serial = next(iter(self._open))
            since, parts = self._open[serial]
            if now - since < WINDOW and len(self._open) <= IN_FLIGHT:
                return
            del self._open[serial]
            self.cut += 1
            yield parts


def exec_of(event: list[Record]) -> Exec | None:
    """Return the exec an event tells, None where it tells none or one that failed."""
    call: dict[bytes, bytes] = {}
    cwd: bytes | None = None
    arguments: dict[int, dict[int, bytes]] = {}
    for record in event:
        if record.kind == SYSCALL:
            call = _fields(record.text)
        elif record.kind == CWD:
            cwd = _value(_fields(record.text).get(b"cwd"))
        elif record.kind == EXECVE:
            _take_arguments(record.text, arguments)
    pid = _number(call.get(b"pid"))
    if not arguments or pid is None or call.get(b"success") not in (b"yes", None):
        return None
    return _exec(pid, call, cwd, arguments)


def _exec(
    pid: int, call: dict[bytes, bytes], cwd: bytes | None, arguments: dict[int, dict[int, bytes]]
) -> Exec:
    escaped: list[str] = []
    whole = [b"".join(parts[at] for at in sorted(parts)) for _, parts in sorted(arguments.items())]
    argv, length = _bounded(whole)
    texts = [to_text(one) for one in argv]
    if any(was for _, was in texts):
        escaped.append("argv")
        texts = [(one.replace("\\", "\\\\") if not was else one, was) for one, was in texts]
    named: dict[str, str | None] = {}
    for field, raw in (("exe", _value(call.get(b"exe"))), ("cwd", cwd)):
        text, was = (None, False) if raw is None else to_text(raw)
        named[field] = text
        escaped += [field] if was else []
    tty = _value(call.get(b"tty"))
    return Exec(
        pid=pid,
        ppid=_number(call.get(b"ppid")),
        exe=named["exe"],
        cwd=named["cwd"],
        argv=tuple(text for text, _ in texts),
        argv_length=length,
        uid=_number(call.get(b"uid")),
        gid=_number(call.get(b"gid")),
        euid=_number(call.get(b"euid")),
        auid=_number(call.get(b"auid")),
        session=_number(call.get(b"ses")),
        tty=None if tty in (None, b"(none)") else to_text(tty)[0],
        escaped=tuple(escaped),
        missing=_FROM_PROC,
    )


def with_snapshot(body: Exec, snapshot: Snapshot | None) -> Exec:
    """Return the exec with what /proc still told of its process, named late."""
    if snapshot is None or snapshot.ppid not in (0, body.ppid):
        return body
    return msgspec.structs.replace(
        body,
        start=snapshot.start,
        parent_start=snapshot.parent_start,
        cgroup=snapshot.cgroup,
        environment=snapshot.environment,
        late=_FROM_PROC,
        missing=(),
    )


def _bounded(whole: list[bytes]) -> tuple[list[bytes], int]:
    """Return arguments of ARGV bytes at most, and the length of all with the NUL that ends each."""
    kept: list[bytes] = []
    room = ARGV
    for one in whole:
        if room <= 0:
            break
        kept.append(one[:room])
        room -= len(one) + 1
    return kept, sum(len(one) + 1 for one in whole)


def _take_arguments(text: bytes, arguments: dict[int, dict[int, bytes]]) -> None:
    for name, raw in _FIELD.findall(text):
        place = _ARGUMENT.fullmatch(name)
        if place is not None and len(arguments) < PARTS:
            value = _value(raw)
            arguments.setdefault(int(place[1]), {})[int(place[2] or 0)] = b"" if value is None else value


def _fields(text: bytes) -> dict[bytes, bytes]:
    return dict(_FIELD.findall(text))


def _value(raw: bytes | None) -> bytes | None:
    """Return a string field as it was: out of its quotes, or out of hexadecimal."""
    if raw is None or raw == b"(null)":
        return None
    if raw[:1] == b'"':
        return raw[1:-1]
    try:
        return bytes.fromhex(raw.decode("ascii"))
    except ValueError:
        return raw


def _number(raw: bytes | None) -> int | None:
    return known(int(raw)) if raw is not None and raw.isdigit() and len(raw) <= 10 else None  # noqa: PLR2004 - digits of 2^32
