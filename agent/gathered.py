"""What a feed has taken from its rings and not told yet, kept with their positions. Pure.

Each entry has a key. What changed since the last look is written beside the events and the positions of the
rings; the next start after a kill begins with what was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

GONE = b""
"""Stands for an entry that is no more."""

_encode = msgspec.msgpack.Encoder().encode


class Gathered(Generic[T]):
    """Entries of one shape. They may be changed in place; `put` notes that they were."""

    def __init__(self, shape: type[T], left: Mapping[str, bytes] | None = None) -> None:
        """Begin with what the last run left."""
        self._entries: dict[str, T] = {}
        decoder = msgspec.msgpack.Decoder(shape)
        for key, raw in (left or {}).items():
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                self._entries[key] = decoder.decode(raw)
        self._written = set(left or ())
        self._changed = self._written - self._entries.keys()
        self._lost = len(self._changed)

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self._entries)

    def __iter__(self) -> Iterator[T]:
        """Iterate over the entries."""
        return iter(tuple(self._entries.values()))

    def get(self, key: str) -> T | None:
        """Return an entry; None where there is none of that key."""
        return self._entries.get(key)

    def items(self) -> Iterator[tuple[str, T]]:
        """Iterate over keys and entries."""
        return iter(tuple(self._entries.items()))

    def put(self, key: str, entry: T) -> None:
        """Add an entry, or note that it changed."""
        self._entries[key] = entry
        self._changed.add(key)

    def drop(self, key: str) -> None:
        """Forget an entry, if it is there."""
        if self._entries.pop(key, None) is None:
            return
        if key in self._written:
            self._changed.add(key)
        else:
            self._changed.discard(key)

    def lost(self) -> int:
        """Return, once, how many entries another version of this program left, which cannot be read."""
        found, self._lost = self._lost, 0
        return found

    def changes(self) -> dict[str, bytes]:
        """Return what changed since the last call, to be written: an entry's bytes, or GONE."""
        found: dict[str, bytes] = {}
        for key in self._changed:
            if key in self._entries:
                found[key] = _encode(self._entries[key])
                self._written.add(key)
            else:
                found[key] = GONE
                self._written.discard(key)
        self._changed.clear()
        return found


def merge(into: dict[str, dict[str, bytes]], changes: Mapping[str, Mapping[str, bytes]]) -> None:
    """Add changes, by the name of what was gathered, to what was written before."""
    for name, changed in changes.items():
        entries = into.setdefault(name, {})
        for key, raw in changed.items():
            if raw == GONE:
                entries.pop(key, None)
            else:
                entries[key] = raw
