"""Security-relevant acts that no exec and no connection shows.

`done` is True where the kernel showed that it happened, None where it only showed that it was allowed.
`call` is the system call it happened in, where that is known.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from ..kind import Actor, Body, Lane

Namespace = Literal["mnt", "cgroup", "uts", "ipc", "user", "pid", "net", "time"]


class Act(Body, frozen=True, kw_only=True):
    """What these kinds share; actor is who did it, None where it was seen only by its effect."""

    lane: ClassVar[Lane] = "priority"

    actor: Actor | None = None
    call: str | None = None
    done: bool | None = None


class Credentials(Act, frozen=True, kw_only=True, tag="process.credentials"):
    """A process got powers otherwise than by an exec: another effective user, or further capabilities."""

    former_euid: int | None = None
    euid: int | None = None
    gained: tuple[str, ...] = ()


class Ptrace(Act, frozen=True, kw_only=True, tag="process.ptrace"):
    """A process reached into another, to trace it, read or write its memory, or take a descriptor of it."""

    request: Literal["attach", "seize", "read", "write", "descriptor", "access"]
    tracee: Actor | None = None


class Module(Act, frozen=True, kw_only=True, tag="kernel.module"):
    """A kernel module was loaded or removed, or the kernel asked for one on behalf of a process."""

    action: Literal["load", "unload", "request"]
    name: str | None = None


class Program(Act, frozen=True, kw_only=True, tag="kernel.bpf"):
    """An eBPF program was loaded; id is the kernel's number of it, type such as ``kprobe``."""

    type: str
    name: str | None = None
    id: int | None = None


class Mount(Act, frozen=True, kw_only=True, tag="mount.change"):
    """A mount appeared, went or moved; path is where, as its maker named it."""

    action: Literal["mount", "umount", "move", "pivot"]
    path: str | None = None
    filesystem: str | None = None
    flags: tuple[str, ...] = ()


class Enter(Act, frozen=True, kw_only=True, tag="namespace.enter"):
    """A process entered namespaces, those of a container or new ones, or made a child in new ones.

    inode is the namespace's number where it is one and known; child is the pid of the child.
    """

    namespaces: tuple[Namespace, ...]
    inode: int | None = None
    child: int | None = None


class Ring(Act, frozen=True, kw_only=True, tag="process.io_uring"):
    """A process set up an io_uring, whose operations are no system calls."""

    lane: ClassVar[Lane] = "bulk"

    entries: int | None = None


class UnixSocket(Act, frozen=True, kw_only=True, tag="socket.unix"):
    """A process connected to a listed socket of the file system; path is as the kernel saw it."""

    path: str
    listed: str | None = None


KINDS = (Credentials, Ptrace, Module, Program, Mount, Enter, Ring, UnixSocket)
