"""Read an eBPF ring buffer through its mapped pages.

The layout is that of kernel/bpf/ringbuf.c: a page with the reader's position, a page with the writers', then
the data mapped twice in a row so that a record never wraps. Each record has a header of two words, the first
of which holds its length and whether it is still being written or was discarded. The reader's position lies
in the ring itself: whoever maps it next goes on from there.

Only a window of the data is mapped, and moved along: a page counts for a process as long as it is mapped,
used or not, so that a ring mapped whole would weigh its full size at any time.
"""

from __future__ import annotations

import mmap

_BUSY, _DISCARDED, _LENGTH = 1 << 31, 1 << 30, (1 << 30) - 1
_HEADER = 8
_WINDOW = 64 << 10


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
        self._descriptor = descriptor
        self._reader = mmap.mmap(descriptor, page, mmap.MAP_SHARED)
        self._writers = mmap.mmap(descriptor, page, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        self._position = memoryview(self._reader)[:8].cast("Q")
        self._written = memoryview(self._writers)[:8].cast("Q")
        self._window: _Window | None = None
        self.at: int = self._position[0]
        """How far was read; what lies before it is given back to the kernel by `release`."""

    def read(self, limit: int) -> list[bytes]:
        """Return up to limit records, oldest first. Their space stays taken.

        Raises:
            OSError: the kernel refuses to map the next window.
        """
        at, end, mask = self.at, self._written[0], self._mask
        records: list[bytes] = []
        window = self._window or self._move(at & mask, _HEADER)
        while at < end and len(records) < limit:
            offset = at & mask
            place = offset - window.start
            if not 0 <= place < window.size:
                window = self._move(offset, _HEADER)
                place = offset - window.start
            header = window.words[place >> 2]
            if header & _BUSY:
                break
            length = header & _LENGTH
            if place + _HEADER + length > window.size:
                window = self._move(offset, _HEADER + length)
                continue
            if not header & _DISCARDED:
                records.append(window.pages[place + _HEADER : place + _HEADER + length])
            at += (length + _HEADER + 7) & ~7
        self.at = at
        return records

    def _move(self, offset: int, length: int) -> _Window:
        """Map the window that holds so many bytes of the data from offset on."""
        if self._window is not None:
            self._window.close()
            self._window = None
        self._window = _Window(self._descriptor, offset, length, 2 * self.size)
        return self._window

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
        if self._window is not None:
            self._window.close()
        for view in (self._position, self._written):
            view.release()
        self._reader.close()
        self._writers.close()


class _Window:
    """Some pages of the data, which begin `start` bytes after the first."""

    def __init__(self, descriptor: int, offset: int, length: int, end: int) -> None:
        """Map at least length bytes from offset on; the data ends at end.

        Raises:
            OSError: the kernel refuses.
        """
        page = mmap.PAGESIZE
        self.start = offset & -page
        needed = (offset + length - self.start + page - 1) & -page
        self.size = min(max(_WINDOW, needed), end - self.start)
        place = 2 * page + self.start
        self.pages = mmap.mmap(descriptor, self.size, mmap.MAP_SHARED, mmap.PROT_READ, offset=place)
        self.words = memoryview(self.pages).cast("I")

    def close(self) -> None:
        """Unmap."""
        self.words.release()
        self.pages.close()
