"""Take entries out of an eBPF hash map in batches."""

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

    def take(self, wanted: Callable[[bytes], bool]) -> list[bytes]:
        """Return the values of the keys that are wanted, and delete them."""
        keys: list[bytes] = []
        values: list[bytes] = []
        place = ctypes.create_string_buffer(self._key)
        start, more = None, True
        while more:
            count = ctypes.c_uint32(_BATCH)
            more = not self._lib.bpf_map_lookup_batch(
                self._descriptor, start, place, self._keys, self._values, ctypes.byref(count), None
            )
            start = place
            read, raw = self._keys.raw, self._values.raw
            for at in range(count.value):
                key = read[at * self._key : (at + 1) * self._key]
                if wanted(key):
                    keys.append(key)
                    values.append(raw[at * self._value : (at + 1) * self._value])
        self._delete(keys)
        return values

    def _delete(self, keys: list[bytes]) -> None:
        for at in range(0, len(keys), _BATCH):
            some = keys[at : at + _BATCH]
            count = ctypes.c_uint32(len(some))
            self._lib.bpf_map_delete_batch(self._descriptor, b"".join(some), ctypes.byref(count), None)
