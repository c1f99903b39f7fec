"""Records of kernel/bpf/exec.bpf.c as process.exec and process.exit.

Every layout is native-endian and mirrors a struct of that file. The id 4294967295 is the kernel's "not set".
Paths, terminals and sets of capabilities come again and again, so what they decode to is remembered.
"""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Callable, Iterable
from typing import Literal

from msgspec.structs import replace

from evidence.kinds.process import Ancestor, Exec, Exit
from evidence.text import to_text

from ..environment import PREFIXES
from ..likeness import Likeness
from .capability import capability_names

EXEC, EXIT = 1, 2
_EXE_CUT, _CWD_CUT, _EXE_DELETED, _ARGV_LOST, _ELEVATED, _CGROUP_V1 = 1, 2, 4, 8, 16, 32
_EXE_FLAGS = _EXE_CUT | _EXE_DELETED

_TYPE = struct.Struct("=H")
_OWN = struct.Struct("=HHIQQIHH")
_ALIKE = struct.Struct("=HQQ6IQ40sHH20s")
_ALIKE_AT = _OWN.size - 2
"""Where what execs have in common begins: with the flags, which end the part that is an exec's own."""
_HEADER = _ALIKE_AT + _ALIKE.size
_EXIT = struct.Struct("=HHIQQQ4I")
_ANCESTOR = struct.Struct("=QII")
_WANTED = struct.Struct("=II")
LAYOUT = " ".join(form.format for form in (_OWN, _ALIKE, _EXIT, _ANCESTOR))
"""Another build whose records have this form writes what is decoded here."""
_NO_ID = 0xFFFFFFFF
_PTS = re.compile(r"pts(\d+)\Z")
_NAMES = ("exe", "cwd", "argv", "sha256")
_REMEMBERED = 1024
_MODELS = 256
_CUT_CHARACTER = re.compile(rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z")

CgroupPath = Callable[[int], str | None]
Sha256 = Callable[[bytes, int, int | None, str | None], str | None]
"""From struct content, pid, ppid and path to the hex SHA-256, None if not to be had."""


class Decoder:
    """Decodes records; what execs of one parent and program have in common is decoded once and remembered."""

    def __init__(self, cgroup_path: CgroupPath, sha256: Sha256) -> None:
        """Take what gives the path of a cgroup id, of a negative one that of cgroup v1's pids hierarchy."""
        self._cgroup_path = cgroup_path
        self._sha256 = sha256
        self._models: dict[bytes, Likeness] = {}

    def parse(self, raw: bytes) -> tuple[int, Exec | Exit, bool, Likeness | None]:
        """Return when it happened (CLOCK_BOOTTIME ns), the body, and what it has in common with others.

        Between the two stands whether its end may be reported twice.

        Raises:
            ValueError: raw is not one of the two records.
        """
        if len(raw) >= _HEADER:
            return self._exec(raw)
        if len(raw) == _EXIT.size:
            return _exit(raw)
        raise ValueError(f"no process record: {len(raw)} bytes")

    def outline(self, raw: bytes) -> Exec:
        """Return program, parents, place and identity of an exec, without what costs more to decode.

        Raises:
            ValueError: raw is no exec record.
        """
        _, argv_at, pid, _, start, *_ = _OWN.unpack_from(raw)
        alike = raw[_ALIKE_AT:argv_at]
        like = self._models.get(alike)
        model = like.plain if like is not None else _model(alike, self._cgroup_path, lambda *_: None, pid)
        return replace(
            model,
            pid=pid,
            start=start,
            cwd=None,
            sha256=None,
            tty=None,
            elevated=False,
            capabilities=(),
            memory_only=None,
            missing=("cwd", "argv", "sha256"),
            escaped=tuple(name for name in model.escaped if name != "cwd"),
        )

    def _exec(self, raw: bytes) -> tuple[int, Exec, bool, Likeness]:
        kind, argv_at, pid, mono, start, length, environment_size, _ = _OWN.unpack_from(raw)
        if kind != EXEC:
            raise ValueError(f"no exec record: type {kind}, {len(raw)} bytes")
        environment_at = len(raw) - environment_size
        if argv_at > environment_at:
            raise ValueError(f"exec record of pid {pid}: its parts are more than {len(raw)} bytes")
        alike = raw[_ALIKE_AT:argv_at]
        like = self._models.get(alike) or self._new(alike, pid)
        argv, escaped = _argv(raw[argv_at:environment_at], length)
        body = replace(like.full or like.plain, pid=pid, start=start, argv=argv, argv_length=length)
        if escaped:
            body = replace(body, escaped=(*body.escaped, "argv"))
        if environment_size:
            body = replace(body, environment=_environment(raw[environment_at:]))
        return mono, body, False, like

    def _new(self, alike: bytes, pid: int) -> Likeness:
        """Decode what execs have in common; it is kept once it is whole."""
        like = Likeness(_model(alike, self._cgroup_path, self._sha256, pid))
        if like.plain.sha256 is not None:
            if len(self._models) >= _MODELS:
                self._models.clear()
            self._models[alike] = like
        return like


def _exit(raw: bytes) -> tuple[int, Exit, bool, None]:
    kind, shared, pid, mono, start, cpu, uid, auid, session, status = _EXIT.unpack(raw)
    if kind != EXIT:
        raise ValueError(f"no exit record: type {kind}, {len(raw)} bytes")
    signal = status & 0x7F
    body = Exit(
        pid=pid,
        start=start,
        uid=None if uid == _NO_ID else uid,
        auid=None if auid == _NO_ID else auid,
        session=None if session == _NO_ID else session,
        code=None if signal else status >> 8 & 0xFF,
        signal=signal or None,
        duration=mono - start if mono > start else 0,
        cpu=cpu,
    )
    return mono, body, shared != 0, None


def _model(alike: bytes, cgroup_path: CgroupPath, sha256: Sha256, pid: int) -> Exec:
    """Return what execs have in common, of a record's part from the flags up to argv.

    Raises:
        ValueError: its parts do not add up.
    """
    if len(alike) < _ALIKE.size:
        raise ValueError(f"exec record of pid {pid}: argv begins within its header")
    fields = _ALIKE.unpack_from(alike)
    flags, parent_start, cgroup, ppid, uid, gid, euid, auid, session, capable, content, count, size, tty = (
        fields
    )
    exe_at = _ALIKE.size + count * _ANCESTOR.size
    cwd_at = exe_at + size
    if cwd_at > len(alike):
        raise ValueError(f"exec record of pid {pid}: its parts are more than {len(alike)} bytes")
    exe, exe_escaped = _exe(alike[exe_at:cwd_at], flags & _EXE_FLAGS)
    cwd, cwd_escaped = _path(alike[cwd_at:]) if not flags & _CWD_CUT else (None, False)
    digest = sha256(content, pid, ppid or None, exe)
    return Exec(
        pid=pid,
        ppid=ppid or None,
        parent_start=parent_start if ppid else None,
        exe=exe,
        cwd=cwd,
        sha256=digest,
        uid=known(uid),
        gid=known(gid),
        euid=known(euid),
        auid=known(auid),
        session=known(session),
        elevated=bool(flags & _ELEVATED),
        capabilities=capability_names(capable) if euid and capable else (),
        memory_only=_memory_only(exe) if flags & _EXE_DELETED else None,
        tty=_tty(tty) if tty[0] else None,
        cgroup=cgroup_path(-cgroup if flags & _CGROUP_V1 else cgroup),
        ancestry=_ancestry(alike, count, ppid, parent_start) if count else (),
        escaped=_named(exe_escaped, cwd_escaped),
        missing=_named(exe is None, cwd is None, flags & _ARGV_LOST > 0, digest is None),
    )


def header(raw: bytes) -> tuple[int, int | None, int | None, bool] | None:
    """Return an exec's time, ppid, session, and whether it has a terminal; None of any other record."""
    if len(raw) < _HEADER or _TYPE.unpack_from(raw)[0] != EXEC:
        return None
    _, _, _, ppid, _, _, _, _, session, *_, tty = _ALIKE.unpack_from(raw, _ALIKE_AT)
    return _OWN.unpack_from(raw)[3], ppid or None, known(session), tty[0] != 0


def wanted(prefixes: Iterable[bytes]) -> bytes:
    """Return the table `environment` of exec.bpf.c for up to 16 beginnings of names, of up to four bytes."""
    rows = [_WANTED.pack((1 << 8 * len(one)) - 1, int.from_bytes(one, "little")) for one in prefixes]
    return b"".join(rows).ljust(_WANTED.size * PREFIXES, b"\0")


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


@functools.lru_cache(_REMEMBERED)
def _exe(components: bytes, flags: int) -> tuple[str | None, bool]:
    """Return the path as /proc/PID/exe would show it; None when it was too deep to be read whole."""
    if flags & _EXE_CUT:
        return None, False
    return to_text(joined(components) + (b" (deleted)" if flags & _EXE_DELETED else b""))


@functools.lru_cache(_REMEMBERED)
def _path(components: bytes) -> tuple[str, bool]:
    return to_text(joined(components))


def _argv(block: bytes, length: int) -> tuple[tuple[str, ...], bool]:
    """Return the arguments and whether they had to be escaped; a character cut in two is left out."""
    if length > len(block):
        block = _CUT_CHARACTER.sub(b"", block)
    text, escaped = to_text(block)
    return split_argv(text), escaped


def _environment(block: bytes) -> dict[str, str]:
    """Return the variables of a block in which each is ended by NUL."""
    pairs = (entry.partition(b"=") for entry in block.split(b"\0"))
    return {to_text(name)[0]: to_text(value)[0] for name, separator, value in pairs if separator}


def _memory_only(exe: str | None) -> Literal["memfd", "deleted"]:
    return "memfd" if exe is not None and exe.startswith("/memfd:") else "deleted"


def _named(*noted: bool) -> tuple[str, ...]:
    """Return the names of what is true, in the order of _NAMES."""
    return tuple(name for name, is_so in zip(_NAMES, noted, strict=False) if is_so) if True in noted else ()


@functools.lru_cache(_REMEMBERED)
def _tty(name: bytes) -> str | None:
    """Return the terminal as `who` shows it: the kernel's pts3 is pts/3."""
    text = name.partition(b"\0")[0].decode("ascii", "replace")
    return _PTS.sub(r"pts/\1", text) or None


def _ancestry(alike: bytes, count: int, ppid: int, parent_start: int) -> tuple[Ancestor, ...]:
    """Return the parent, which was only forked, and its ancestors up to the first that executed something."""
    chain = _ANCESTOR.iter_unpack(alike[_ALIKE.size : _ALIKE.size + count * _ANCESTOR.size])
    forked = [Ancestor(pid=pid, start=start) for start, pid, _ in chain if pid]
    return (Ancestor(pid=ppid, start=parent_start), *forked)
