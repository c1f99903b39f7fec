"""Records of kernel/bpf/acts.h as acts. The layout is native-endian, as struct act; calls are x86-64's."""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Literal

import msgspec

from evidence.kind import Actor, Body
from evidence.kinds.act import Credentials, Enter, Module, Mount, Namespace, Program, Ptrace, Ring, UnixSocket
from evidence.text import to_text

from . import bpf_owner
from .bpf_owner import Owner, parse_owner
from .bpf_process import known
from .capability import capability_names

_HEAD = struct.Struct("=HHIQ")
_TAIL = struct.Struct("=QQQQQII64s256s")

SIZE = _HEAD.size + bpf_owner.SIZE + _TAIL.size

_CALLS = {
    42: "connect",
    56: "clone",
    101: "ptrace",
    105: "setuid",
    106: "setgid",
    113: "setreuid",
    114: "setregid",
    117: "setresuid",
    119: "setresgid",
    126: "capset",
    155: "pivot_root",
    165: "mount",
    166: "umount2",
    175: "init_module",
    176: "delete_module",
    272: "unshare",
    308: "setns",
    310: "process_vm_readv",
    311: "process_vm_writev",
    313: "finit_module",
    321: "bpf",
    429: "move_mount",
    435: "clone3",
    438: "pidfd_getfd",
}
_READ, _WRITE, _TAKE, _DELETE_MODULE = 310, 311, 438, 176
_ATTACH, _SEIZE = 16, 0x4206
_MODULES: dict[int, Literal["load", "unload", "request"]] = {1: "load", 2: "unload", 3: "request"}
_MOUNTS: dict[int, Literal["mount", "umount", "move", "pivot"]] = {
    155: "pivot",
    165: "mount",
    166: "umount",
    429: "move",
}
_NAMESPACES: dict[int, Namespace] = {
    0x80: "time",
    0x20000: "mnt",
    0x2000000: "cgroup",
    0x4000000: "uts",
    0x8000000: "ipc",
    0x10000000: "user",
    0x20000000: "pid",
    0x40000000: "net",
}
_MOUNT_FLAGS = {
    0x1: "ro",
    0x2: "nosuid",
    0x4: "nodev",
    0x8: "noexec",
    0x20: "remount",
    0x1000: "bind",
    0x2000: "move",
    0x4000: "rec",
    0x20000: "unbindable",
    0x40000: "private",
    0x80000: "slave",
    0x100000: "shared",
}
_PROGRAMS = (
    *("unspec", "socket_filter", "kprobe", "sched_cls", "sched_act", "tracepoint", "xdp", "perf_event"),
    *("cgroup_skb", "cgroup_sock", "lwt_in", "lwt_out", "lwt_xmit", "sock_ops", "sk_skb", "cgroup_device"),
    *("sk_msg", "raw_tracepoint", "cgroup_sock_addr", "lwt_seg6local", "lirc_mode2", "sk_reuseport"),
    *("flow_dissector", "cgroup_sysctl", "raw_tracepoint_writable", "cgroup_sockopt", "tracing"),
    *("struct_ops", "ext", "lsm", "sk_lookup", "syscall", "netfilter"),
)
"""enum bpf_prog_type of linux/bpf.h."""


class ActType(IntEnum):
    """What a record reports."""

    CREDENTIALS = 1
    PTRACE = 2
    MODULE = 3
    PROGRAM = 4
    MOUNT = 5
    NAMESPACE = 6
    RING = 7
    UNIX_SOCKET = 8


class Act(msgspec.Struct, frozen=True, gc=False):
    """One record. mono is CLOCK_BOOTTIME ns; `call`, `how` and `numbers` mean what their type says."""

    type: ActType
    call: int
    how: int
    mono: int
    owner: Owner | None
    numbers: tuple[int, int, int, int]
    target: Actor | None
    name: bytes
    path: bytes


def parse(raw: bytes) -> Act:
    """Return the record.

    Raises:
        ValueError: it has another size than a record, or no known type.
    """
    if len(raw) != SIZE:
        raise ValueError(f"act record of {len(raw)} bytes, expected {SIZE}")
    kind, call, how, mono = _HEAD.unpack_from(raw)
    *numbers, start, pid, uid, name, path = _TAIL.unpack_from(raw, _HEAD.size + bpf_owner.SIZE)
    return Act(
        ActType(kind),
        call,
        how,
        mono,
        parse_owner(raw, _HEAD.size),
        (numbers[0], numbers[1], numbers[2], numbers[3]),
        Actor(pid=pid, start=start or None, uid=known(uid) if start else None) if pid else None,
        name.partition(b"\0")[0],
        path.partition(b"\0")[0],
    )


def to_body(act: Act, actor: Actor | None, *, done: bool) -> Body:
    """Return the event a record reports.

    done says whether its hook shows that the act happened; else it was only allowed.
    """
    return _BODIES[act.type](act, actor, _CALLS.get(act.call), done or None)


def _credentials(act: Act, actor: Actor | None, call: str | None, done: bool | None) -> Body:
    former_euid, euid, before, after = act.numbers
    return Credentials(
        actor=actor,
        call=call,
        done=done,
        former_euid=known(former_euid),
        euid=known(euid),
        gained=capability_names(after & ~before),
    )


def _ptrace(act: Act, actor: Actor | None, call: str | None, done: bool | None) -> Body:
    request: Literal["attach", "seize", "read", "write", "descriptor", "access"] = "access"
    if act.call == _READ:
        request = "read"
    elif act.call == _WRITE:
        request = "write"
    elif act.call == _TAKE:
        request = "descriptor"
    elif call == "ptrace":
        request = "attach" if act.how == _ATTACH else "seize"
    return Ptrace(actor=actor, call=call, done=done, request=request, tracee=act.target)


def _module(act: Act, actor: Actor | None, call: str | None, done: bool | None) -> Body:
    action = _MODULES.get(act.how, "load")
    name, escaped = _text("name", act.name)
    return Module(
        actor=actor,
        call=call,
        done=None if action == "request" else done,
        action="unload" if act.call == _DELETE_MODULE else action,
        name=name,
        escaped=escaped,
    )


def _program(act: Act, actor: Actor | None, call: str | None, done: bool | None) -> Body:
    name, escaped = _text("name", act.name)
    return Program(
        actor=actor,
        call=call,
        done=done,
        type=_PROGRAMS[act.how] if act.how < len(_PROGRAMS) else str(act.how),
        name=name,
        id=act.numbers[0] or None,
        escaped=escaped,
    )


def _mount(act: Act, actor: Actor | None, call: str | None, done: bool | None) -> Body:
    path, escaped_path = _text("path", act.path)
    filesystem, escaped_filesystem = _text("filesystem", act.name)
    return Mount(
        actor=actor,
        call=call,
        done=done,
        action=_MOUNTS.get(act.call, "mount"),
        path=path,
        filesystem=filesystem,
        flags=_named(_MOUNT_FLAGS, act.numbers[0]),
        escaped=(*escaped_path, *escaped_filesystem),
    )


def _namespace(act: Act, actor: Actor | None, call: str | None, done: bool | None) -> Body:
    child = act.target.pid if act.target is not None else None
    return Enter(
        actor=actor,
        call="clone" if child is not None else call,
        done=True if child is not None else done,
        namespaces=tuple(name for flag, name in _NAMESPACES.items() if act.how & flag),
        inode=act.numbers[0] or None,
        child=child,
    )


def _ring(act: Act, actor: Actor | None, call: str | None, done: bool | None) -> Body:
    return Ring(actor=actor, call=call, done=done, entries=act.numbers[0])


def _unix_socket(act: Act, actor: Actor | None, call: str | None, done: bool | None) -> Body:
    path, escaped = _text("path", act.path)
    return UnixSocket(actor=actor, call=call, done=done, path=path or "", escaped=escaped)


_BODIES: dict[ActType, Callable[[Act, Actor | None, str | None, bool | None], Body]] = {
    ActType.CREDENTIALS: _credentials,
    ActType.PTRACE: _ptrace,
    ActType.MODULE: _module,
    ActType.PROGRAM: _program,
    ActType.MOUNT: _mount,
    ActType.NAMESPACE: _namespace,
    ActType.RING: _ring,
    ActType.UNIX_SOCKET: _unix_socket,
}


def _text(field: str, raw: bytes) -> tuple[str | None, tuple[str, ...]]:
    """Return raw as text, None when empty, and the field's name if it had to be escaped."""
    if not raw:
        return None, ()
    text, escaped = to_text(raw)
    return text, (field,) if escaped else ()


def _named(names: dict[int, str], bits: int) -> tuple[str, ...]:
    return tuple(name for flag, name in names.items() if bits & flag)
