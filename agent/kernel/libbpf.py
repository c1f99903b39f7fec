"""libbpf through ctypes: its signatures, and what its refusals mean."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import resource
from pathlib import Path

from ..errors import RungUnavailable

BUNDLED = Path(__file__).parent / "bpf" / "libbpf.so.1"
"""Where a package puts the library that our objects were tried with; it comes before the system's."""
_POINTER, _INT, _TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
_FUNCTIONS = {
    "bpf_object__open": (_POINTER, _TEXT),
    "bpf_object__load": (_INT, _POINTER),
    "bpf_object__close": (None, _POINTER),
    "bpf_object__next_program": (_POINTER, _POINTER, _POINTER),
    "bpf_object__next_map": (_POINTER, _POINTER, _POINTER),
    "bpf_object__find_map_by_name": (_POINTER, _POINTER, _TEXT),
    "bpf_program__attach": (_POINTER, _POINTER),
    "bpf_program__attach_iter": (_POINTER, _POINTER, _POINTER),
    "bpf_program__attach_cgroup": (_POINTER, _POINTER, _INT),
    "bpf_program__name": (_TEXT, _POINTER),
    "bpf_program__section_name": (_TEXT, _POINTER),
    "bpf_program__fd": (_INT, _POINTER),
    "bpf_program__set_attach_target": (_INT, _POINTER, _INT, _TEXT),
    "bpf_program__set_autoload": (_INT, _POINTER, ctypes.c_bool),
    "bpf_program__set_expected_attach_type": (_INT, _POINTER, _INT),
    "bpf_program__set_type": (_INT, _POINTER, _INT),
    "bpf_link__destroy": (_INT, _POINTER),
    "bpf_link__fd": (_INT, _POINTER),
    "bpf_iter_create": (_INT, _INT),
    "bpf_map__fd": (_INT, _POINTER),
    "bpf_map__name": (_TEXT, _POINTER),
    "bpf_map__is_internal": (ctypes.c_bool, _POINTER),
    "bpf_map__reuse_fd": (_INT, _POINTER, _INT),
    "bpf_map__set_max_entries": (_INT, _POINTER, ctypes.c_uint32),
    "bpf_map__set_initial_value": (_INT, _POINTER, _POINTER, ctypes.c_size_t),
    "bpf_map_lookup_elem": (_INT, _INT, _POINTER, _POINTER),
    "bpf_map_update_elem": (_INT, _INT, _POINTER, _POINTER, ctypes.c_uint64),
    "bpf_map_lookup_batch": (_INT, _INT, _POINTER, _POINTER, _POINTER, _POINTER, _POINTER, _POINTER),
    "bpf_map_delete_elem": (_INT, _INT, _POINTER),
    "bpf_map_delete_batch": (_INT, _INT, _POINTER, _POINTER, _POINTER),
    "bpf_obj_pin": (_INT, _INT, _TEXT),
    "bpf_obj_get": (_INT, _TEXT),
    "bpf_obj_get_info_by_fd": (_INT, _INT, _POINTER, _POINTER),
    "libbpf_num_possible_cpus": (_INT,),
}


class IterLinkInfo(ctypes.Structure):
    """union bpf_iter_link_info of linux/bpf.h, as far as a map's iterator needs it."""

    _fields_ = (("map_fd", ctypes.c_uint32), ("pad", ctypes.c_uint32 * 3))


class IterAttachOptions(ctypes.Structure):
    """struct bpf_iter_attach_opts of bpf/libbpf.h."""

    _fields_ = (
        ("size", ctypes.c_size_t),
        ("info", ctypes.POINTER(IterLinkInfo)),
        ("length", ctypes.c_uint32),
        ("pad", ctypes.c_uint32),
    )


class MapInfo(ctypes.Structure):
    """The head of struct bpf_map_info of linux/bpf.h."""

    _fields_ = tuple(
        (name, ctypes.c_uint32)
        for name in ("type", "id", "key_size", "value_size", "max_entries", "map_flags")
    )


@functools.cache
def libbpf() -> ctypes.CDLL:
    """Return libbpf with its signatures declared: once for all, for ctypes makes 80 KB of them.

    Raises:
        RungUnavailable: it is not installed.
    """
    for name in (str(BUNDLED), "libbpf.so.1", "libbpf.so.0"):
        try:
            library = ctypes.CDLL(name, use_errno=True)
        except OSError:
            continue
        for function, (result, *arguments) in _FUNCTIONS.items():
            getattr(library, function).restype = result
            getattr(library, function).argtypes = arguments
        library.libbpf_set_print(None)
        if hasattr(library, "libbpf_set_strict_mode"):
            library.libbpf_set_strict_mode(0xFFFFFFFF)  # 0.x: NULL and errno instead of error pointers
        return library
    raise RungUnavailable("libbpf is not installed", fix="apt-get install libbpf1, or dnf install libbpf")


def refused(what: str, error: int) -> RungUnavailable:
    """Return the exception for a refusal of the kernel, with the fix that fits its errno."""
    fix = None
    if error in (errno.EPERM, errno.EACCES) and os.geteuid() == 0:
        fix = "not to be had where lockdown or a sandbox forbids it to root"
    elif error in (errno.EPERM, errno.EACCES):
        fix = "run as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"
    elif error in (errno.ENOENT, errno.ESRCH, errno.EINVAL):
        fix = "use a kernel that has it, of 5.12 or later with BTF"
    return RungUnavailable(f"{what}: {os.strerror(error)}", fix)


def map_info(library: ctypes.CDLL, descriptor: int) -> MapInfo:
    """Return what the kernel says of a map: its id is no other map's until the next boot.

    Raises:
        RungUnavailable: the kernel refuses.
    """
    found = MapInfo()
    length = ctypes.c_uint32(ctypes.sizeof(found))
    if library.bpf_obj_get_info_by_fd(descriptor, ctypes.byref(found), ctypes.byref(length)):
        raise refused("the map cannot be asked for", ctypes.get_errno())
    return found


def per_cpu_sums(library: ctypes.CDLL, descriptor: int, count: int) -> list[int]:
    """Return the first count sums of the per-CPU array of u64 behind descriptor."""
    values = (ctypes.c_uint64 * library.libbpf_num_possible_cpus())()
    sums: list[int] = []
    for index in range(count):
        key = ctypes.c_uint32(index)
        failed = library.bpf_map_lookup_elem(descriptor, ctypes.byref(key), values)
        sums.append(0 if failed else sum(values))
    return sums


def raise_memlock() -> None:
    """Kernels before 5.11 charge maps to RLIMIT_MEMLOCK."""
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError):
        return  # later kernels do not need it; where it matters, loading says so
