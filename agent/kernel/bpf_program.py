"""The programs and maps of an open eBPF object, and how each kind of program is attached."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from ..errors import RungUnavailable
from .cgroups import cgroup2_root
from .libbpf import refused

_HANDED = b"handed/"
"""Sections of programs that another one hands on to, at the tracepoint that is named."""
_BY_TRACEFS = b"tp/"
"""Sections of programs at a tracepoint that libbpf looks up in tracefs."""
_TRACEFS = (Path("/sys/kernel/tracing/events"), Path("/sys/kernel/debug/tracing/events"))
_MOUNT = "mount -t tracefs tracefs /sys/kernel/tracing"
_TRACEPOINT = (26, 23)
_SECTIONS = {b"cgroup/connect_unix": (18, 49)}
"""Program type and attach type (linux/bpf.h) of sections that libbpf knows since 1.3."""


def maps(library: ctypes.CDLL, opened: int) -> dict[str, int]:
    """Return the maps of an open object by name."""
    found: dict[str, int] = {}
    each = library.bpf_object__next_map(opened, None)
    while each:
        found[library.bpf_map__name(each).decode()] = each
        each = library.bpf_object__next_map(opened, each)
    return found


def programs(library: ctypes.CDLL, opened: int) -> dict[str, int]:
    """Return the programs of an open object by name."""
    found: dict[str, int] = {}
    each = library.bpf_object__next_program(opened, None)
    while each:
        found[library.bpf_program__name(each).decode()] = each
        each = library.bpf_object__next_program(opened, each)
    return found


def is_called(library: ctypes.CDLL, program: int) -> bool:
    """Return whether a program is attached to nothing: a reader or another program calls it."""
    return bool(library.bpf_program__section_name(program).startswith((b"iter", _HANDED)))


def say_what_it_is(library: ctypes.CDLL, program: int) -> None:
    """Name the type of a program whose section is our own, or this libbpf too old to know."""
    section: bytes = library.bpf_program__section_name(program)
    handed = section.startswith(_HANDED)
    if handed or section in _SECTIONS:
        kind, place = _TRACEPOINT if handed else _SECTIONS[section]
        library.bpf_program__set_type(program, kind)
        library.bpf_program__set_expected_attach_type(program, place)
    if handed:
        library.bpf_program__set_attach_target(program, 0, section.removeprefix(_HANDED))


def attach(library: ctypes.CDLL, name: str, program: int) -> int:
    """Attach a loaded program to what its section names, and return its link.

    Raises:
        RungUnavailable: the kernel refuses.
    """
    section: bytes = library.bpf_program__section_name(program)
    cgroup = section.startswith(b"cgroup")
    link = _attach_to_root_cgroup(library, program) if cgroup else library.bpf_program__attach(program)
    if not link:
        error = ctypes.get_errno()
        if section.startswith(_BY_TRACEFS) and not any(one.is_dir() for one in _TRACEFS):
            raise RungUnavailable(f"{name} does not attach: tracefs is not mounted", _MOUNT)
        raise refused(f"{name} does not attach", error)
    return int(link)


def _attach_to_root_cgroup(library: ctypes.CDLL, program: int) -> int | None:
    """Return a link of program to the topmost cgroup that is seen, so that it sees every socket below."""
    root = cgroup2_root()
    if root is None:
        fix = "mkdir /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified"
        raise RungUnavailable("cgroup2 is not mounted: this host has only v1", fix)
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        link: int | None = library.bpf_program__attach_cgroup(program, descriptor)
        return link
    finally:
        os.close(descriptor)
