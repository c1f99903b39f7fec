"""Records of kernel/bpf/exec.bpf.c as process.exec and process.exit.

Every layout is native-endian and mirrors a struct of that file. The id 4294967295 is the kernel's "not set".
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from evidence.kinds.process import Ancestor, Exec, Exit
from evidence.text import to_text

EXEC, EXIT = 1, 2
_EXE_CUT, _CWD_CUT, _EXE_DELETED, _ARGV_LOST = 1, 2, 4, 8

_TYPE = struct.Struct("=H")
_EXEC = struct.Struct("=HHIQQQQ7I4H20s")
_EXIT = struct.Struct("=HHIQQQ4I")
_ANCESTOR = struct.Struct("=QII")
_NO_ID = 0xFFFFFFFF
_PTS = re.compile(r"pts(\d+)\Z")


def parse(raw: bytes, cgroup_path: Callable[[int], str | None]) -> tuple[int, Exec | Exit, bool]:
    """Return when it happened (CLOCK_BOOTTIME ns), the body, and whether its end may be reported twice.

    cgroup_path gives the path of a cgroup id.

    Raises:
        ValueError: raw is not one of the two records.
    """
    kind = _TYPE.unpack_from(raw)[0] if len(raw) >= _TYPE.size else 0
    if kind == EXIT and len(raw) == _EXIT.size:
        return _exit(raw)
    if kind == EXEC and len(raw) >= _EXEC.size:
        return _exec(raw, cgroup_path)
    raise ValueError(f"no process record: type {kind}, {len(raw)} bytes")


def _exit(raw: bytes) -> tuple[int, Exit, bool]:
    _, shared, pid, mono, start, cpu, uid, auid, session, status = _EXIT.unpack(raw)
    signal = status & 0x7F
    body = Exit(
        pid=pid,
        start=start,
        uid=known(uid),
        auid=known(auid),
        session=known(session),
        code=None if signal else status >> 8 & 0xFF,
        signal=signal or None,
        duration=max(0, mono - start),
        cpu=cpu,
    )
    return mono, body, bool(shared)


def _exec(raw: bytes, cgroup_path: Callable[[int], str | None]) -> tuple[int, Exec, bool]:
    (
        *_,
        flags,
        pid,
        mono,
        start,
        parent_start,
        cgroup_id,
        ppid,
        uid,
        gid,
        euid,
        auid,
        session,
        argv_length,
        count,
        exe_size,
        cwd_size,
        argv_size,
        tty,
    ) = _EXEC.unpack_from(raw)
    at = _EXEC.size + count * _ANCESTOR.size
    if at + exe_size + cwd_size + argv_size != len(raw):
        raise ValueError(f"exec record of pid {pid}: its parts do not add up to {len(raw)} bytes")
    escaped: list[str] = []
    missing: list[str] = []
    exe = _text("exe", _exe(raw[at : at + exe_size], flags), escaped, missing)
    at += exe_size
    cwd = _text("cwd", None if flags & _CWD_CUT else joined(raw[at : at + cwd_size]), escaped, missing)
    at += cwd_size
    argv = _text("argv", None if flags & _ARGV_LOST else raw[at : at + argv_size], escaped, missing)
    cgroup = cgroup_path(cgroup_id)
    body = Exec(
        pid=pid,
        start=start,
        ppid=ppid or None,
        parent_start=parent_start if ppid else None,
        exe=exe,
        cwd=cwd,
        argv=split_argv(argv),
        argv_length=argv_length,
        uid=known(uid),
        gid=known(gid),
        euid=known(euid),
        auid=known(auid),
        session=known(session),
        tty=_tty(tty),
        cgroup=cgroup,
        ancestry=_ancestry(raw, count, ppid, parent_start) if count else (),
        escaped=tuple(escaped),
        missing=tuple(missing),
    )
    return mono, body, False


def known(number: int) -> int | None:
    """Return an id, or None for the kernel's "not set"."""
    return None if number == _NO_ID else number


def joined(components: bytes) -> bytes:
    """Return the path whose components are given leaf first, each ended by NUL."""
    return b"/" + b"/".join(components.split(b"\0")[-2::-1])


def split_argv(text: str | None) -> tuple[str, ...]:
    """Return the arguments of a block in which each is ended by NUL; the last may have been cut off."""
    if not text:
        return ()
    return tuple((text[:-1] if text[-1] == "\0" else text).split("\0"))


def _exe(components: bytes, flags: int) -> bytes | None:
    """Return the path as /proc/PID/exe would show it; None when it was too deep to be read whole."""
    if flags & _EXE_CUT:
        return None
    return joined(components) + (b" (deleted)" if flags & _EXE_DELETED else b"")


def _text(field: str, raw: bytes | None, escaped: list[str], missing: list[str]) -> str | None:
    """Return raw as text, noting the field when it had to be escaped or is not known."""
    if raw is None:
        missing.append(field)
        return None
    text, was_escaped = to_text(raw)
    if was_escaped:
        escaped.append(field)
    return text


def _tty(name: bytes) -> str | None:
    """Return the terminal as `who` shows it: the kernel's pts3 is pts/3."""
    if not name[0]:
        return None
    text = name.partition(b"\0")[0].decode("ascii", "replace")
    return _PTS.sub(r"pts/\1", text) or None


def _ancestry(raw: bytes, count: int, ppid: int, parent_start: int) -> tuple[Ancestor, ...]:
    """Return the parent, which was only forked, and its ancestors up to the first that executed something."""
    chain = _ANCESTOR.iter_unpack(raw[_EXEC.size : _EXEC.size + count * _ANCESTOR.size])
    forked = [Ancestor(pid=pid, start=start) for start, pid, _ in chain if pid]
    return (Ancestor(pid=ppid, start=parent_start), *forked)
