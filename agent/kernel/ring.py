"""Read an eBPF ring buffer through its mapped pages.

The layout is that of kernel/bpf/ringbuf.c: a page with the reader's position, a page with the writers', then
the data mapped twice in a row so that a record never wraps. Each record has a header of two words, the first
of which holds its length and whether it is still being written or was discarded. The reader's position lies
in the ring itself: whoever maps it next goes on from there.
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
        self.size = size
        self._mask = size - 1
        self._reader = mmap.mmap(descriptor, page, mmap.MAP_SHARED)
        self._pages = mmap.mmap(descriptor, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        self._position = memoryview(self._reader)[:8].cast("Q")
        self._written = memoryview(self._pages)[:8].cast("Q")
        self._data = memoryview(self._pages)[page:]
        self._words = self._data.cast("I")
        self.at: int = self._position[0]
        """How far was read; what lies before it is given back to the kernel by `release`."""

    def read(self, limit: int) -> list[bytes]:
        """Return up to limit records, oldest first. Their space stays taken."""
        at, end = self.at, self._written[0]
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
        self.at = at
        return records

    def release(self, position: int) -> None:
        """Give the space before position back to the kernel."""
        self._position[0] = max(self._position[0], position)

    def skip_to(self, position: int) -> None:
        """Go on from position where that is further: what lies before it was dealt with already."""
        if self.at < position <= self._written[0]:
            self.at = position
            self.release(position)

    @property
    def free(self) -> int:
        """The bytes that can still be written."""
        return int(self.size - (self._written[0] - self._position[0]))

    @property
    def unread(self) -> int:
        """The bytes that wait to be read."""
        return int(self._written[0] - self.at)

    def pending(self) -> bool:
        """Return whether something waits to be read."""
        return self.at < self._written[0]

    def close(self) -> None:
        """Unmap."""
        for view in (self._position, self._written, self._words, self._data):
            view.release()
        self._reader.close()
        self._pages.close()
