"""Load and attach an eBPF object, or go on with one that is pinned.

Objects are small, so that a refusal costs one sensor.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

import msgspec

from ..errors import RungUnavailable
from . import bpf_program
from .libbpf import IterAttachOptions, IterLinkInfo, libbpf, per_cpu_sums, raise_memlock, refused
from .pin_folders import AgentFolder, digest
from .pins import Pins
from .scope import HOST, Scope

OBJECTS = Path(__file__).parent / "bpf"

_SCOPE = "rodata.scope"


class Place(msgspec.Struct, frozen=True):
    """What the programs of an object see, and the agent's folder in bpffs (None: nothing is pinned)."""

    scope: Scope = HOST
    pins: AgentFolder | None = None


class BpfObject:
    """One object: its programs are attached, its maps are open until close."""

    def __init__(
        self,
        name: str,
        ring_bytes: int,
        place: Place | None = None,
        layout: str = "",
        optional: frozenset[str] = frozenset(),
        *,
        programs: frozenset[str] = frozenset(),
    ) -> None:
        """Take up agent/kernel/bpf/NAME.bpf.o where it is pinned, else load, attach and pin it.

        ring_bytes is a power of two; layout names the form of the records, so that another version of the
        object is known to write the same. Where a program of optional does not attach, `missing` says why.
        programs are those to use, all when empty: what the others want of the kernel does not matter then.
        Two selections of one object have no program in common.

        Raises:
            RungUnavailable: no object, no libbpf, or the kernel refuses.
        """
        path = OBJECTS / f"{name}.bpf.o"
        if not path.exists():
            raise RungUnavailable(f"{path.name} is not built", fix="make bpf")
        place = place or Place()
        self._lib = libbpf()
        self.name = name
        self._wanted = programs
        self._links: dict[str, int] = {}
        self._reused: list[int] = []
        self.pins: Pins | None = None
        self.continued = False
        """Whether the programs are those of the last run, which never stopped."""
        self.unpinned: str | None = None
        """Why it could not be pinned, though it should have been."""
        self._optional = optional
        self.missing: dict[str, RungUnavailable] = {}
        """Why optional programs are not attached."""
        if place.pins is not None:
            chosen = " ".join(sorted(programs)).encode()
            content = digest(path.read_bytes(), str(ring_bytes).encode(), place.scope.value, chosen)
            called = f"{name}-{min(programs)}" if programs else name
            self.pins = Pins(self._lib, place.pins, called, digest((layout or content).encode()), content)
        raise_memlock()
        self._object = 0
        try:
            if self.pins is None or not self._continue(path, self.pins, place.scope):
                self._begin(path, ring_bytes, place.scope)
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
        return per_cpu_sums(self._lib, self.map_fd(name), count)

    def put(self, name: str, key: bytes, value: bytes) -> None:
        """Set an element of a map.

        Raises:
            RungUnavailable: the map is full, or has keys or values of another size.
        """
        if error := self._lib.bpf_map_update_elem(self.map_fd(name), key, value, 0):
            raise refused(f"{name} of {self.name}.bpf.o takes no more", -error)

    def get(self, name: str, key: bytes, size: int) -> bytes | None:
        """Return an element of a map, whose values have so many bytes; None when it is not there."""
        value = ctypes.create_string_buffer(size)
        missing = self._lib.bpf_map_lookup_elem(self.map_fd(name), key, value)
        return None if missing else value.raw

    def take_out(self, name: str, key: bytes) -> None:
        """Delete an element of a map; one that is not there is left out."""
        self._lib.bpf_map_delete_elem(self.map_fd(name), key)

    def program_fd(self, name: str) -> int:
        """Return the descriptor of a loaded program; it stays the object's."""
        return int(self._lib.bpf_program__fd(self._programs()[name]))

    def open_iterator(self, program: str, over: str | None = None) -> int:
        """Return the descriptor of a link from which `read_iterator` runs program, over a map if need be.

        Raises:
            RungUnavailable: the kernel refuses.
        """
        options = IterAttachOptions(size=ctypes.sizeof(IterAttachOptions))
        if over is not None:
            options.info = ctypes.pointer(IterLinkInfo(map_fd=self.map_fd(over)))
            options.length = ctypes.sizeof(IterLinkInfo)
        link = self._lib.bpf_program__attach_iter(self._programs()[program], ctypes.byref(options))
        if not link:
            raise refused(f"{program} does not attach", ctypes.get_errno())
        self._links[program] = link
        return int(self._lib.bpf_link__fd(link))

    def read_iterator(self, link: int) -> bytes:
        """Return what one run of an iterator wrote; nothing when the kernel has no descriptor left for it."""
        descriptor = self._lib.bpf_iter_create(link)
        if descriptor < 0:
            return b""
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            return stream.readall()

    def close(self, *, unpin: bool = True) -> None:
        """Detach and unload; with unpin=False what is pinned goes on recording."""
        if unpin and self.pins is not None:
            self.pins.remove()
        for link in self._links.values():
            self._lib.bpf_link__destroy(link)
        self._links.clear()
        if self._object:
            self._lib.bpf_object__close(self._object)
            self._object = 0
        for descriptor in self._reused:
            os.close(descriptor)
        self._reused.clear()

    def _map(self, name: str) -> int:
        found = self._lib.bpf_object__find_map_by_name(self._object, name.encode())
        if not found:
            raise RungUnavailable(f"{self.name}.bpf.o has no map {name}", fix="make bpf")
        return int(found)

    def _maps(self) -> dict[str, int]:
        return bpf_program.maps(self._lib, self._object)

    def _programs(self) -> dict[str, int]:
        return bpf_program.programs(self._lib, self._object)

    def _is_wanted(self, program: str) -> bool:
        return not self._wanted or program in self._wanted

    def _set_scope(self, scope: Scope) -> None:
        for name, found in self._maps().items():
            if name.endswith(_SCOPE) and (
                error := self._lib.bpf_map__set_initial_value(found, scope.value, len(scope.value))
            ):
                raise refused(f"{self.name}.bpf.o takes no scope", -error)

    def _open(self, path: Path) -> None:
        self._object = self._lib.bpf_object__open(os.fsencode(path)) or 0
        if not self._object:
            raise refused(f"{path.name} does not open", ctypes.get_errno())

    def _begin(self, path: Path, ring_bytes: int, scope: Scope) -> None:
        """Load and attach, and pin what then runs."""
        self._open(path)
        self._lib.bpf_map__set_max_entries(self._map("ring"), ring_bytes)
        self._set_scope(scope)
        for name, program in self._programs().items():
            self._lib.bpf_program__set_autoload(program, self._is_wanted(name))
            bpf_program.say_what_it_is(self._lib, program)
        self._load()
        if self.pins is not None:
            self.pins.stop_others()
        for name, program in self._programs().items():
            if not self._is_wanted(name) or bpf_program.is_called(self._lib, program):
                continue
            try:
                self._links[name] = bpf_program.attach(self._lib, name, program)
            except RungUnavailable as refusal:
                if name not in self._optional:
                    raise
                self.missing[name] = refusal
        if self.pins is not None:
            self._pin(self.pins)

    def _pin(self, pins: Pins) -> None:
        maps = {
            name: int(self._lib.bpf_map__fd(found))
            for name, found in self._maps().items()
            if not self._lib.bpf_map__is_internal(found)
        }
        try:
            pins.put(maps, {name: self._lib.bpf_link__fd(link) for name, link in self._links.items()})
        except OSError as error:
            self.unpinned, self.pins = f"{error.filename}: {error.strerror}", None

    def _continue(self, path: Path, pins: Pins, scope: Scope) -> bool:
        """Take the pinned maps; what is attached runs on; what is called is loaded for them.

        Returns:
            False where nothing is pinned, or what is cannot be taken up and was removed.
        """
        if not pins.whole:
            return False
        try:
            self._open(path)
            for name in pins.maps():
                descriptor = pins.get(name)
                self._reused.append(descriptor)
                if error := self._lib.bpf_map__reuse_fd(self._map(name), descriptor):
                    raise refused(f"{name} of {self.name}.bpf.o cannot be taken up", -error)
            self._set_scope(scope)
            for name, program in self._programs().items():
                bpf_program.say_what_it_is(self._lib, program)
                needed = bpf_program.is_called(self._lib, program) and self._is_wanted(name)
                self._lib.bpf_program__set_autoload(program, needed)
            self._load()
        except RungUnavailable:
            self.close()
            return False
        absent = self._optional - set(pins.links())
        self.missing = {name: RungUnavailable(f"{name} did not attach when it was loaded") for name in absent}
        self.continued = True
        return True

    def _load(self) -> None:
        if error := self._lib.bpf_object__load(self._object):
            raise refused(f"{self.name}.bpf.o does not load", -error)
