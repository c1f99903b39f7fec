"""Read an eBPF ring buffer through its mapped pages.

The layout is that of kernel/bpf/ringbuf.c: a page with the reader's position, a page with the writers', then
the data mapped twice in a row so that a record never wraps. Each record has a header of two words, the first
of which holds its length and whether it is still being written or was discarded.
"""

from __future__ import annotations

import mmap

_BUSY, _DISCARDED, _LENGTH = 1 << 31, 1 << 30, (1 << 30) - 1
_HEADER = 8


class Ring:
    """The reading end of one ring."""

    def __init__(self, descriptor: int, size: int) -> None:
        """Map the ring buffer map of that descriptor, size bytes long (a power of two).

        Raises:
            OSError: the kernel refuses to map it.
        """
        page = mmap.PAGESIZE
        self._mask = size - 1
        self._reader = mmap.mmap(descriptor, page, mmap.MAP_SHARED)
        self._pages = mmap.mmap(descriptor, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        self._position = memoryview(self._reader)[:8].cast("Q")
        self._written = memoryview(self._pages)[:8].cast("Q")
        self._data = memoryview(self._pages)[page:]
        self._words = self._data.cast("I")

    def read(self, limit: int) -> list[bytes]:
        """Return up to limit records, oldest first, and give their space back to the kernel."""
        at, end = self._position[0], self._written[0]
        data, words, mask = self._data, self._words, self._mask
        records: list[bytes] = []
        while at < end and len(records) < limit:
            offset = at & mask
            header = words[offset >> 2]
            if header & _BUSY:
                break
            length = header & _LENGTH
            if not header & _DISCARDED:
                records.append(bytes(data[offset + _HEADER : offset + _HEADER + length]))
            at += (length + _HEADER + 7) & ~7
        self._position[0] = at
        return records

    def pending(self) -> bool:
        """Return whether something waits to be read."""
        return self._position[0] < self._written[0]

    def close(self) -> None:
        """Unmap."""
        for view in (self._position, self._written, self._words, self._data):
            view.release()
        self._reader.close()
        self._pages.close()
