"""The ledger's one owner: appends rows, grows the tree, signs a checkpoint, and returns once all is durable.

Order: data and entries are written and synced, the tree grows, one checkpoint is signed for the whole group
and synced, and only then anybody hears of it. What lies beyond the last checkpoint was never acknowledged.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from evidence import receipt, successor, tree
from evidence.checkpoint import Checkpoint
from evidence.errors import BadProof
from evidence.keys import Signer
from evidence.receipt import Joined, Receipt

from ..errors import LedgerError, LedgerFull
from . import layout, scan
from .disk import Disk
from .note import Notes
from .scan import Visit
from .segment import Row
from .tail import Tail
from .tiles import TileFiles


class Ledger:
    """An open ledger. One thread at a time appends; others may ask for receipts meanwhile."""

    def __init__(
        self, folder: Path, signer: Signer, origin: str, visit: Visit | None = None, disk: Disk | None = None
    ) -> None:
        """Lock, check and open the ledger, made if new; visit is called with each (index, entry) there is.

        Raises:
            LedgerError: in use, damaged, or shorter than its last signed checkpoint.
        """
        self._folder = folder
        self._disk = disk or Disk()
        for name in ("", "entries", "data", "tile"):
            self._disk.make_folder(folder / name)
        self._lock = self._disk.lock(folder / layout.LOCK)
        with contextlib.ExitStack() as undo:
            undo.callback(self._disk.close, self._lock)
            self._notes = Notes(folder, self._disk, signer, origin)
            undo.callback(self._notes.close)
            self._tree = scan.rebuild(folder, self._notes.newest.head, visit)
            self._tail = Tail(folder, self._notes.newest.head.size, self._disk)
            undo.pop_all()
        self._tiles = TileFiles(folder, self._disk)
        self._broken: str | None = None
        self._write_tiles()

    @property
    def size(self) -> int:
        """Entries that are durable and covered by a signed checkpoint."""
        return self._notes.newest.head.size

    @property
    def checkpoint(self) -> Checkpoint:
        """The newest checkpoint."""
        return self._notes.newest.head

    @property
    def note(self) -> bytes:
        """The newest checkpoint as a signed note."""
        return self._notes.newest.note

    def append(self, rows: Sequence[Row]) -> int:
        """Append rows as one group and return the first one's index, once they and a checkpoint are durable.

        Raises:
            LedgerFull: the disk is full; nothing was appended, and a later call may succeed.
            LedgerError: the device failed; the ledger must be opened again before more is appended.
        """
        if self._broken is not None:
            raise LedgerError(self._broken)
        first = self.size
        self._write(first, rows)
        try:
            self._tail.sync()
            for row in rows:
                self._tree.append(tree.leaf_hash(row.entry))
            self._notes.keep(self._tree.size, self._tree.root())
            self._notes.publish()
        except OSError as error:
            raise self._break(error) from error
        self._write_tiles()
        return first

    def _write(self, first: int, rows: Sequence[Row]) -> None:
        try:
            self._tail.write(first, rows)
        except OSError as error:
            try:
                self._tail.take_back()
            except OSError as worse:
                raise self._break(worse) from worse
            raise LedgerFull(f"{self._folder}: {error.strerror}; nothing was appended") from error

    def _break(self, error: OSError) -> LedgerError:
        """Refuse everything from now on: after a failed sync nobody knows what the device holds."""
        self._broken = f"{self._folder}: {error.strerror or error}; the ledger must be opened again"
        return LedgerError(self._broken)

    def _write_tiles(self) -> None:
        with contextlib.suppress(OSError):  # tiles follow from the entries; the next group tries again
            self._tiles.catch_up(self._tree, self.size)

    def receipt(
        self, index: int, known: int, *, duplicate: bool = False, joins: Sequence[tuple[int, bytes]] = ()
    ) -> Receipt:
        """Return the receipt of entry index under the newest checkpoint.

        known is the size the host verified last; without a proof from it, old_size of the receipt is 0. joins
        are index and bytes of the entries that a host needs which still takes a former log for the log.
        """
        signed = self._notes.newest
        head = signed.head
        try:
            consistency = tree.consistency_proof(self._tree, known, head.size)
        except BadProof:
            known, consistency = 0, []
        return Receipt(
            index=index,
            checkpoint=signed.note.decode(),
            inclusion=receipt.encode_hashes(tree.inclusion_proof(self._tree, index, head.size)),
            old_size=known,
            consistency=receipt.encode_hashes(consistency),
            duplicate=duplicate,
            joins=tuple(self._joined(at, raw, head.size) for at, raw in joins),
        )

    def _joined(self, index: int, raw: bytes, size: int) -> Joined:
        inclusion = tree.inclusion_proof(self._tree, index, size)
        consistency = tree.consistency_proof(self._tree, index, size)
        return successor.joined(raw, receipt.encode_hashes(inclusion), receipt.encode_hashes(consistency))

    def had_root(self, size: int, root: bytes) -> bool:
        """Tell whether this tree had this root when it had size entries."""
        return size <= self.size and self._tree.root(size) == root

    def leaf(self, index: int) -> bytes:
        """Return the leaf hash of entry index."""
        return self._tree.subtree(0, index)

    def entry(self, index: int) -> bytes:
        """Return the bytes of entry index, read from its segment."""
        return scan.read_entry(self._folder, index)

    def close(self) -> None:
        """Close all files and give up the lock."""
        self._tail.close()
        self._notes.close()
        self._disk.close(self._lock)
