"""A disk in memory that loses what was not flushed when it crashes, fills up, and fails at a chosen step."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path


class Crash(BaseException):
    """The power went: nothing after this step happened. No product code may catch it."""


@dataclass
class _File:
    volatile: bytearray = field(default_factory=bytearray)
    durable: bytes = b""


class FakeDisk:
    """Implements agent.spool.disk.Disk. Names become durable with sync_folder, bytes with sync."""

    def __init__(self, capacity: int = 1 << 40) -> None:
        self.capacity = capacity
        self.files: dict[Path, _File] = {}
        self.durable_names: dict[Path, _File] = {}
        self.steps = 0
        self.crash_at: int | None = None
        self.fail_at: int | None = None
        self.fail_from: int | None = None
        self.short_at: int | None = None

    def _step(self) -> None:
        self.steps += 1
        if self.steps == self.crash_at:
            raise Crash
        if self.steps == self.fail_at or (self.fail_from is not None and self.steps >= self.fail_from):
            raise OSError("injected")

    def crash(self, seed: int) -> FakeDisk:
        """Return the disk as a restart finds it: flushed bytes, and some prefix of what was not flushed."""
        chance = random.Random(seed)  # noqa: S311 - no secret
        after = FakeDisk(self.capacity)
        names = dict(self.durable_names)
        for path, file in self.files.items():
            if path not in names and chance.random() < 0.5:
                names[path] = file
        for path, file in names.items():
            if path not in self.files and chance.random() < 0.5:
                continue
            content = bytes(file.durable)
            extra = bytes(file.volatile[len(content) :])
            if file.volatile[: len(content)] == content:
                content += extra[: chance.randint(0, len(extra))]
            elif chance.random() < 0.5:
                content = bytes(file.volatile)
            kept = _File(bytearray(content), content)
            after.files[path] = kept
            after.durable_names[path] = kept
        return after

    def used(self) -> int:
        return sum(len(file.volatile) for file in self.files.values())

    def names(self, folder: Path) -> list[str]:
        return sorted(path.name for path in self.files if path.parent == folder)

    def size(self, path: Path) -> int | None:
        return len(self.files[path].volatile) if path in self.files else None

    def read(self, path: Path, offset: int, length: int) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(path)
        return bytes(self.files[path].volatile[offset : offset + length])

    def append(self, path: Path, data: bytes) -> int:
        return self._put(path, len(self.files[path].volatile) if path in self.files else 0, data)

    def write(self, path: Path, offset: int, data: bytes) -> int:
        return self._put(path, offset, data)

    def _put(self, path: Path, offset: int, data: bytes) -> int:
        self._step()
        file = self.files.setdefault(path, _File())
        room = self.capacity - self.used() + max(0, len(file.volatile) - offset)
        taken = min(len(data), max(0, room))
        if self.steps == self.short_at:
            taken //= 2
        if data and not taken:
            raise OSError("no space left on device")
        file.volatile.extend(bytes(max(0, offset - len(file.volatile))))
        file.volatile[offset : offset + taken] = data[:taken]
        return taken

    def sync(self, path: Path) -> None:
        self._step()
        self.files[path].durable = bytes(self.files[path].volatile)

    def sync_folder(self, folder: Path) -> None:
        self._step()
        self.durable_names = {p: f for p, f in self.durable_names.items() if p.parent != folder}
        self.durable_names.update({p: f for p, f in self.files.items() if p.parent == folder})

    def truncate(self, path: Path, size: int) -> None:
        self._step()
        del self.files[path].volatile[size:]

    def replace(self, path: Path, data: bytes, *, durable: bool = True) -> None:
        self._step()
        if self.used() + len(data) > self.capacity:
            raise OSError("no space left on device")
        file = _File(bytearray(data), data)
        self.files[path] = file
        if durable:
            self.durable_names[path] = file

    def rename(self, old: Path, new: Path) -> None:
        self._step()
        self.files[new] = self.files.pop(old)

    def remove(self, path: Path) -> None:
        self._step()
        self.files.pop(path, None)

    def free(self, folder: Path) -> int:  # noqa: ARG002 - one disk
        return max(0, self.capacity - self.used())
