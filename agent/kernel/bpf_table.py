"""Read and delete entries of an eBPF hash map in batches."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from .libbpf import libbpf

_BATCH = 512


class Table:
    """A hash map of an object, whose descriptor stays the object's."""

    def __init__(self, descriptor: int, key_size: int, value_size: int) -> None:
        self._lib = libbpf()
        self._descriptor = descriptor
        self._key, self._value = key_size, value_size
        self._keys = ctypes.create_string_buffer(_BATCH * key_size)
        self._values = ctypes.create_string_buffer(_BATCH * value_size)

    def read(self, wanted: Callable[[bytes], bool]) -> dict[bytes, bytes]:
        """Return the entries whose keys are wanted."""
        found: dict[bytes, bytes] = {}
        place = ctypes.create_string_buffer(self._key)
        start, more = None, True
        while more:
            count = ctypes.c_uint32(_BATCH)
            more = not self._lib.bpf_map_lookup_batch(
                self._descriptor, start, place, self._keys, self._values, ctypes.byref(count), None
            )
            start = place
            keys, values = self._keys.raw, self._values.raw
            for at in range(count.value):
                key = keys[at * self._key : (at + 1) * self._key]
                if wanted(key):
                    found[key] = values[at * self._value : (at + 1) * self._value]
        return found

    def delete(self, keys: list[bytes]) -> None:
        """Delete entries; one that is not there is left out."""
        for at in range(0, len(keys), _BATCH):
            some = keys[at : at + _BATCH]
            count = ctypes.c_uint32(len(some))
            if self._lib.bpf_map_delete_batch(self._descriptor, b"".join(some), ctypes.byref(count), None):
                for key in some[count.value :]:
                    self._lib.bpf_map_delete_elem(self._descriptor, key)
