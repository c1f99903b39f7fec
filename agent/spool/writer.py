"""Append to one segment so that what returned is durable and what failed leaves no trace."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from evidence.seal import SealedBatch

from ..errors import SpoolUncertain
from . import cipher, record, segment
from .disk import Disk
from .segment import Segment, Stored


class Writer:
    """The one segment of a lane that still grows. Random bytes come from `random`, such as os.urandom."""

    def __init__(self, disk: Disk, part: Segment, spool_key: bytes, random: Callable[[int], bytes]) -> None:
        """Begin an empty segment; nothing is written before the first append."""
        self._disk = disk
        self.segment = part
        self._wrapped = b""
        self._key = random(cipher.KEY_BYTES)
        self._counter = 0
        self._named = False
        self._wrapped = cipher.wrap(
            self._key, spool_key, random(cipher.WRAP_NONCE_BYTES), part.data_path.name
        )

    def append(self, batch: SealedBatch, *, with_data: bool) -> None:
        """Store a batch: data first, then its statement, each flushed, so a statement implies its data.

        Raises:
            OSError: the disk did not take it; the segment is as before.
            SpoolUncertain: and the segment could not even be cut back: nothing more may be appended to it.
        """
        part = self.segment
        data_start, statement_start = part.data_bytes, part.statement_bytes
        try:
            length = self._append_data(batch.data) if with_data and batch.data else 0
            offset = part.data_bytes - length
            stored = Stored(batch.statement.seq, batch.envelope, offset, length)
            size = self._write(part.statements_path, segment.encode_statement(stored))
            if not self._named:
                self._disk.sync_folder(part.statements_path.parent)
                self._named = True
        except OSError:
            self._cut(part.statements_path, statement_start)
            self._cut(part.data_path, data_start)
            part.data_bytes = data_start
            raise
        part.add(stored.seq, statement_start, 0 if length or not batch.statement.length else segment.LOST)
        part.statement_bytes += size

    def _append_data(self, data: bytes) -> int:
        """Write the data record (and the file's head before the first) and return its length."""
        part = self.segment
        head = b"" if part.data_bytes else record.encode(segment.KEY_MAGIC, 0, self._wrapped)
        self._counter += 1
        body = cipher.encrypt(self._key, self._counter, data)
        framed = record.encode(segment.DATA_MAGIC, self._counter, body)
        part.data_bytes += self._write(part.data_path, head + framed)
        return len(framed)

    def _write(self, path: Path, raw: bytes) -> int:
        taken = self._disk.append(path, raw)
        if taken != len(raw):
            raise OSError(f"{path}: the disk is full ({taken} of {len(raw)} bytes)")
        self._disk.sync(path)
        return len(raw)

    def _cut(self, path: Path, size: int) -> None:
        """Cut a file back to what was durable before."""
        try:
            if self._disk.size(path) is None:
                return
            self._disk.truncate(path, size)
            with contextlib.suppress(OSError):
                self._disk.sync(path)
        except OSError as error:
            raise SpoolUncertain(
                f"spool: {path}: cannot be cut back after a failed write: {error}"
            ) from error
