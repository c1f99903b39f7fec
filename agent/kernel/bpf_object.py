"""Load and attach an eBPF object through libbpf; objects are small, so that a refusal costs one sensor."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
from pathlib import Path

from ..errors import RungUnavailable
from .cgroups import cgroup2_root

OBJECTS = Path(__file__).parent / "bpf"

_POINTER, _INT, _TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
_FUNCTIONS = {
    "bpf_object__open": (_POINTER, _TEXT),
    "bpf_object__load": (_INT, _POINTER),
    "bpf_object__close": (None, _POINTER),
    "bpf_object__next_program": (_POINTER, _POINTER, _POINTER),
    "bpf_object__find_map_by_name": (_POINTER, _POINTER, _TEXT),
    "bpf_program__attach": (_POINTER, _POINTER),
    "bpf_program__attach_cgroup": (_POINTER, _POINTER, _INT),
    "bpf_program__attach_iter": (_POINTER, _POINTER, _POINTER),
    "bpf_program__name": (_TEXT, _POINTER),
    "bpf_program__section_name": (_TEXT, _POINTER),
    "bpf_link__destroy": (_INT, _POINTER),
    "bpf_link__fd": (_INT, _POINTER),
    "bpf_iter_create": (_INT, _INT),
    "bpf_map__fd": (_INT, _POINTER),
    "bpf_map__set_max_entries": (_INT, _POINTER, ctypes.c_uint32),
    "bpf_map_lookup_elem": (_INT, _INT, _POINTER, _POINTER),
    "libbpf_num_possible_cpus": (_INT,),
}


class _IterLinkInfo(ctypes.Structure):
    """union bpf_iter_link_info of linux/bpf.h, as far as a map's iterator needs it."""

    _fields_ = (("map_fd", ctypes.c_uint32), ("pad", ctypes.c_uint32 * 3))


class _IterAttachOptions(ctypes.Structure):
    """struct bpf_iter_attach_opts of bpf/libbpf.h."""

    _fields_ = (
        ("size", ctypes.c_size_t),
        ("info", ctypes.POINTER(_IterLinkInfo)),
        ("length", ctypes.c_uint32),
        ("pad", ctypes.c_uint32),
    )


def _libbpf() -> ctypes.CDLL:
    """Return libbpf with its signatures declared.

    Raises:
        RungUnavailable: it is not installed.
    """
    for name in ("libbpf.so.1", "libbpf.so.0"):
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


def _refused(what: str, error: int) -> RungUnavailable:
    """Return the exception for a refusal of the kernel, with the fix that fits its errno."""
    fix = None
    if error in (errno.EPERM, errno.EACCES):
        fix = "run as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"
    elif error in (errno.ENOENT, errno.ESRCH, errno.EINVAL):
        fix = "use a kernel of 5.12 or later with BTF (/sys/kernel/btf/vmlinux)"
    return RungUnavailable(f"{what}: {os.strerror(error)}", fix)


class BpfObject:
    """One loaded object: its programs are attached, its maps are open until close."""

    def __init__(self, name: str, ring_bytes: int) -> None:
        """Load agent/kernel/bpf/NAME.bpf.o with a ring of ring_bytes (a power of two) and attach it.

        Raises:
            RungUnavailable: no object, no libbpf, or the kernel refuses.
        """
        path = OBJECTS / f"{name}.bpf.o"
        if not path.exists():
            raise RungUnavailable(f"{path.name} is not built", fix="make bpf")
        self._lib = _libbpf()
        self.name = name
        self._links: list[int] = []
        _raise_memlock()
        self._object = self._lib.bpf_object__open(os.fsencode(path))
        if not self._object:
            raise _refused(f"{path.name} does not open", ctypes.get_errno())
        try:
            self._lib.bpf_map__set_max_entries(self._map("ring"), ring_bytes)
            if error := self._lib.bpf_object__load(self._object):
                raise _refused(f"{path.name} does not load", -error)
            self._attach()
        except RungUnavailable:
            self.close()
            raise

    def map_fd(self, name: str) -> int:
        """Return the descriptor of a map; it stays the object's."""
        return int(self._lib.bpf_map__fd(self._map(name)))

    def mapped_word(self, name: str) -> mmap.mmap:
        """Return the first page of an mmapable array, shared with the programs."""
        return mmap.mmap(self.map_fd(name), mmap.PAGESIZE, mmap.MAP_SHARED)

    def counters(self, name: str, count: int) -> list[int]:
        """Return the first count sums of a per-CPU array of u64."""
        descriptor = self.map_fd(name)
        values = (ctypes.c_uint64 * self._lib.libbpf_num_possible_cpus())()
        sums: list[int] = []
        for index in range(count):
            key = ctypes.c_uint32(index)
            failed = self._lib.bpf_map_lookup_elem(descriptor, ctypes.byref(key), values)
            sums.append(0 if failed else sum(values))
        return sums

    def open_iterator(self, program: str, over: str | None = None) -> int:
        """Return the descriptor of a link from which `read_iterator` runs program, over a map if need be.

        Raises:
            RungUnavailable: the kernel refuses.
        """
        options = _IterAttachOptions(size=ctypes.sizeof(_IterAttachOptions))
        if over is not None:
            options.info = ctypes.pointer(_IterLinkInfo(map_fd=self.map_fd(over)))
            options.length = ctypes.sizeof(_IterLinkInfo)
        link = self._lib.bpf_program__attach_iter(self._programs()[program], ctypes.byref(options))
        if not link:
            raise _refused(f"{program} does not attach", ctypes.get_errno())
        self._links.append(link)
        return int(self._lib.bpf_link__fd(link))

    def read_iterator(self, link: int) -> bytes:
        """Return what one run of an iterator wrote; nothing when the kernel has no descriptor left for it."""
        descriptor = self._lib.bpf_iter_create(link)
        if descriptor < 0:
            return b""
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            return stream.readall()

    def close(self) -> None:
        """Detach and unload."""
        for link in self._links:
            self._lib.bpf_link__destroy(link)
        self._links.clear()
        if self._object:
            self._lib.bpf_object__close(self._object)
            self._object = None

    def _map(self, name: str) -> int:
        found = self._lib.bpf_object__find_map_by_name(self._object, name.encode())
        if not found:
            raise RungUnavailable(f"{self.name}.bpf.o has no map {name}", fix="make bpf")
        return int(found)

    def _programs(self) -> dict[str, int]:
        programs: dict[str, int] = {}
        program = self._lib.bpf_object__next_program(self._object, None)
        while program:
            programs[self._lib.bpf_program__name(program).decode()] = program
            program = self._lib.bpf_object__next_program(self._object, program)
        return programs

    def _attach(self) -> None:
        for name, program in self._programs().items():
            section = self._lib.bpf_program__section_name(program)
            if section.startswith(b"iter"):
                continue  # attached when somebody reads it
            cgroup = section.startswith(b"cgroup")
            link = self._attach_to_root_cgroup(program) if cgroup else self._lib.bpf_program__attach(program)
            if not link:
                raise _refused(f"{name} does not attach", ctypes.get_errno())
            self._links.append(link)

    def _attach_to_root_cgroup(self, program: int) -> int | None:
        """Return a link of program to the topmost cgroup that is seen, so that it sees every socket below."""
        root = cgroup2_root()
        if root is None:
            fix = "mkdir /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified"
            raise RungUnavailable("cgroup2 is not mounted: this host has only v1", fix)
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            link: int | None = self._lib.bpf_program__attach_cgroup(program, descriptor)
            return link
        finally:
            os.close(descriptor)


def _raise_memlock() -> None:
    """Kernels before 5.11 charge maps to RLIMIT_MEMLOCK."""
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError):
        return  # later kernels do not need it; where it matters, loading says so
