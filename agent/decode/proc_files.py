"""Files of /proc/PID, as proc(5) describes them: bytes in, a snapshot of the process out."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping

import msgspec

from evidence.kinds.process import Exec
from evidence.text import to_text

from ..cgroup import path_of
from .bpf_process import known, split_argv

TICK = 10_000_000
"""Nanoseconds in a clock tick of /proc, which is always a hundredth of a second (USER_HZ)."""

FILES = ("stat", "status", "cmdline", "cgroup", "loginuid", "sessionid", "environ")
LINKS = ("exe", "cwd")

_IDS = re.compile(rb"^(Uid|Gid):\s+(\d+)\s+(\d+)", re.MULTILINE)
_STARTTIME = 19
"""The index of starttime among the fields after the name."""
_PTS_MAJORS = range(136, 144)


class Stat(msgspec.Struct, frozen=True, gc=False):
    """What /proc/PID/stat tells: start in ns since boot, to the tick; tty as its device number."""

    pid: int
    ppid: int
    tty: int
    start: int


class Snapshot(msgspec.Struct, frozen=True):
    """A process as its files showed it; a field is None when its file could not be read, or says "not set".

    unread names the fields whose files could not be read; escaped is that of `evidence.kind.Body`.
    """

    pid: int
    start: int
    ppid: int
    parent_start: int | None
    tty: str | None
    exe: str | None
    cwd: str | None
    argv: tuple[str, ...]
    argv_length: int | None
    uid: int | None
    gid: int | None
    euid: int | None
    auid: int | None
    session: int | None
    cgroup: str | None
    environment: dict[str, str] | None
    unread: tuple[str, ...]
    escaped: tuple[str, ...]


def parse_stat(raw: bytes) -> Stat:
    """Return the fields of /proc/PID/stat.

    The name stands in parentheses and may itself hold parentheses and spaces: the right-most one ends it.

    Raises:
        ValueError: raw is no such line.
    """
    head, separator, rest = raw.rpartition(b")")
    fields = rest.split()
    if not separator or len(fields) <= _STARTTIME:
        raise ValueError(f"no /proc/PID/stat line: {raw[:80]!r}")
    return Stat(int(head.split(b" ", 1)[0]), int(fields[1]), int(fields[4]), int(fields[_STARTTIME]) * TICK)


def parse_snapshot(
    files: Mapping[str, bytes], names: Container[str] = (), parent: Stat | None = None
) -> Snapshot:
    """Return the process whose files these are; what is absent was not readable.

    names are the environment variables that may be taken, parent is its parent where that is certain.

    Raises:
        ValueError: stat is absent or no such line.
    """
    stat = parse_stat(files.get("stat", b""))
    escaped: list[str] = []
    ids = {
        name: (int(real), int(effective)) for name, real, effective in _IDS.findall(files.get("status", b""))
    }
    uid, euid = ids.get(b"Uid", (None, None))
    cmdline = files.get("cmdline")
    unread = [field for field in ("exe", "cwd", "cgroup") if field not in files]
    unread += ["argv"] if cmdline is None else []
    unread += ["uid", "gid", "euid"] if uid is None else []
    unread += [field for field, file in (("auid", "loginuid"), ("session", "sessionid")) if file not in files]
    cgroup = files.get("cgroup")
    return Snapshot(
        pid=stat.pid,
        start=stat.start,
        ppid=stat.ppid,
        parent_start=None if parent is None else parent.start,
        tty=_tty_name(stat.tty),
        exe=_text("exe", files.get("exe"), escaped),
        cwd=_text("cwd", files.get("cwd"), escaped),
        argv=split_argv(_text("argv", cmdline, escaped)),
        argv_length=None if cmdline is None else len(cmdline),
        uid=uid,
        gid=ids.get(b"Gid", (None, None))[0],
        euid=euid,
        auid=_id(files.get("loginuid")),
        session=_id(files.get("sessionid")),
        cgroup=None if cgroup is None else path_of(cgroup.decode("utf-8", "backslashreplace")),
        environment=_environment(files.get("environ"), names),
        unread=tuple(unread),
        escaped=tuple(escaped),
    )


_LATE = ("exe", "cwd", "argv", "uid", "gid", "euid", "auid", "session", "cgroup")
"""The fields of process.exec that a snapshot gives and the kernel's event does not."""


def late_exec(pid: int, snapshot: Snapshot | None) -> Exec:
    """Return an exec whose every field but the pid was read after the fact, or was gone by then (None)."""
    if snapshot is None:
        return Exec(pid=pid, missing=("start", "ppid", "parent_start", *_LATE))
    return Exec(
        pid=pid,
        start=snapshot.start,
        ppid=snapshot.ppid or None,
        parent_start=snapshot.parent_start,
        exe=snapshot.exe,
        cwd=snapshot.cwd,
        argv=snapshot.argv,
        argv_length=snapshot.argv_length,
        uid=snapshot.uid,
        gid=snapshot.gid,
        euid=snapshot.euid,
        auid=snapshot.auid,
        session=snapshot.session,
        tty=snapshot.tty,
        cgroup=snapshot.cgroup,
        environment=snapshot.environment,
        escaped=snapshot.escaped,
        late=("start", "ppid", "parent_start", *(field for field in _LATE if field not in snapshot.unread)),
        missing=snapshot.unread,
    )


def _text(field: str, raw: bytes | None, escaped: list[str]) -> str | None:
    if raw is None:
        return None
    text, was_escaped = to_text(raw)
    if was_escaped:
        escaped.append(field)
    return text


def _id(raw: bytes | None) -> int | None:
    return known(int(raw)) if raw is not None and raw.strip().isdigit() else None


def _environment(raw: bytes | None, names: Container[str]) -> dict[str, str] | None:
    """Return the variables of those names; None when there are none."""
    found: dict[str, str] = {}
    for entry in (raw or b"").split(b"\0"):
        name, separator, value = entry.partition(b"=")
        text = name.decode("ascii", "replace")
        if separator and text in names:
            found[text] = to_text(value)[0]
    return found or None


def _tty_name(device: int) -> str | None:
    """Return the terminal as `who` shows it, from the device number of stat (major and minor interleaved)."""
    major, minor = device >> 8 & 0xFFF, device & 0xFF | device >> 12 & 0xFFF00
    if major in _PTS_MAJORS:
        return f"pts/{(major - _PTS_MAJORS.start) * 256 + minor}"
    if major == 4:  # noqa: PLR2004 - TTY_MAJOR: consoles, then serial lines
        return f"tty{minor}" if minor < 64 else f"ttyS{minor - 64}"  # noqa: PLR2004
    return None
