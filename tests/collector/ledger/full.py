"""A disk that is full after so many bytes."""

from __future__ import annotations

from collections.abc import Sequence

from collector.ledger.disk import Disk


class FullDisk(Disk):
    """Has room for a number of appends; then a short write and an error, as a real one."""

    def __init__(self) -> None:
        super().__init__()
        self.room: int | None = None

    def append(self, file: int, offset: int, buffers: Sequence[bytes]) -> int:
        data = b"".join(buffers)
        if self.room is not None and len(data) > self.room:
            super().append(file, offset, [data[: self.room]])
            raise OSError(28, "No space left on device")
        return super().append(file, offset, [data])
