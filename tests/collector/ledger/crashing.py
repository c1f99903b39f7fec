"""A disk that loses power at a chosen step: what was not synced is lost, torn, or by luck kept."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from collector.ledger.disk import Disk

Unsynced = Literal["lost", "torn", "kept"]


class PowerCut(Exception):
    """The machine went dark."""


class CrashingDisk(Disk):
    """Cuts the power before step number `at` (from 0); each call of the interface is two steps."""

    def __init__(self, at: int, unsynced: Unsynced) -> None:
        super().__init__()
        self.steps = 0
        self._at = at
        self._unsynced = unsynced
        self._open: list[int] = []
        self._pending: list[tuple[int, int, bytes, bytes]] = []

    def _step(self) -> None:
        if self.steps == self._at:
            self._lose()
            raise PowerCut
        self.steps += 1

    def _lose(self) -> None:
        for file, offset, before, after in reversed(self._pending):
            kept = {"lost": 0, "torn": len(after) // 2, "kept": len(after)}[self._unsynced]
            os.pwrite(file, after[:kept] + before[kept:], offset)
            if len(before) < len(after):
                os.ftruncate(file, offset + max(kept, len(before)))
        self.release()

    def release(self) -> None:
        """Close what is open, as the end of a process does."""
        for file in self._open:
            with contextlib.suppress(OSError):
                os.close(file)
        self._open.clear()

    def lock(self, path: Path) -> int:
        file = super().lock(path)
        self._open.append(file)
        return file

    def open(self, path: Path) -> int:
        self._step()
        file = super().open(path)
        self._open.append(file)
        self._step()
        return file

    def close(self, file: int) -> None:
        if file in self._open:
            self._open.remove(file)
            super().close(file)

    def append(self, file: int, offset: int, buffers: Sequence[bytes]) -> int:
        self._step()
        after = b"".join(buffers)
        before = os.pread(file, len(after), offset)
        written = super().append(file, offset, buffers)
        self._pending.append((file, offset, before, after))
        self._step()
        return written

    def overwrite(self, file: int, offset: int, block: bytes) -> None:
        self._step()
        before = os.pread(file, len(block), offset)
        super().overwrite(file, offset, block)
        self._pending.append((file, offset, before, block))
        self._step()

    def sync(self, file: int) -> None:
        self._step()
        super().sync(file)
        self._pending = [change for change in self._pending if change[0] != file]
        self._step()

    def sync_both(self, one: int, other: int) -> None:
        self.sync(one)
        self.sync(other)

    def replace(self, path: Path, content: bytes) -> None:
        if self.steps == self._at:
            path.with_name(path.name + ".new").write_bytes(content[: len(content) // 2])
        self._step()
        Disk().replace(path, content)
        self._step()

    def remove(self, path: Path) -> None:
        self._step()
        super().remove(path)
        self._step()
