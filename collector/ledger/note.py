"""The signed checkpoint on disk: two slots written in turn for durability, one file for readers.

Writing over an allocated block and syncing it costs a fifth of create, sync, rename and sync of the folder,
and a full disk cannot stop it. A torn write hits one slot; its signature tells, and the other slot stands.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from evidence import checkpoint, tree
from evidence.checkpoint import Checkpoint, VerifierKey
from evidence.errors import BadCheckpoint
from evidence.keys import Signer

from ..errors import LedgerError
from . import layout
from .disk import Disk

_SLOT = 4096


class Signed(msgspec.Struct, frozen=True):
    """A checkpoint and the note that signs it."""

    note: bytes
    head: Checkpoint


class Notes:
    """Where the ledger's owner keeps its signed checkpoints."""

    def __init__(self, folder: Path, disk: Disk, signer: Signer, origin: str) -> None:
        """Open the slots; a ledger that is new begins with a signed checkpoint of size 0.

        Raises:
            LedgerError: there are entries but no checkpoint that this key signed.
        """
        self._disk = disk
        self._signer = signer
        self._key = VerifierKey(origin, signer.public)
        path = folder / layout.SLOTS
        if not path.exists() and not (folder / layout.entries_name(0)).exists():
            note = checkpoint.sign(Checkpoint(origin, 0, tree.EMPTY_ROOT), signer)
            disk.replace(path, slots_of(note))
        slot, self.newest = _newest(folder, self._key)
        self._next = 0 if slot == 1 else 1
        self._slots = disk.open(path)
        disk.replace(folder / layout.VERIFIER_KEY, f"{self._key}\n".encode())
        disk.replace(folder / layout.PUBLISHED, self.newest.note)
        self._published = disk.open(folder / layout.PUBLISHED)

    def keep(self, size: int, root: bytes) -> None:
        """Sign the tree's head and return once it is durable.

        Raises:
            OSError: the device failed.
        """
        head = Checkpoint(self._key.name, size, root)
        note = checkpoint.sign(head, self._signer)
        self._disk.overwrite(self._slots, self._next * _SLOT, note.ljust(_SLOT, b"\0"))
        self._disk.sync(self._slots)
        self._next = 1 - self._next
        self.newest = Signed(note, head)

    def publish(self) -> None:
        """Show readers what is durable; a note never gets shorter, so writing over the last one is enough."""
        self._disk.overwrite(self._published, 0, self.newest.note)

    def close(self) -> None:
        """Close the files."""
        self._disk.close(self._slots)
        self._disk.close(self._published)


def slots_of(note: bytes) -> bytes:
    """Return the slots' file as it begins: the same note in both."""
    return note.ljust(_SLOT, b"\0") * 2


def slots(path: Path) -> list[bytes]:
    """Return the notes in the slots, whether they verify or not.

    Raises:
        LedgerError: the file cannot be read.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise LedgerError(f"{path}: {error.strerror}; see vedette-collector fsck") from error
    return [raw[at : at + _SLOT].rstrip(b"\0") for at in (0, _SLOT)]


def candidates(folder: Path) -> list[bytes]:
    """Return every note kept on disk, whether it verifies or not: both slots, and the one readers see."""
    found = slots(folder / layout.SLOTS)
    published = folder / layout.PUBLISHED
    return [*found, published.read_bytes()] if published.exists() else found


def _newest(folder: Path, key: VerifierKey) -> tuple[int, Signed]:
    """Return the newest note and its place. What readers see was durable before, so it counts as well."""
    found: list[tuple[int, Signed]] = []
    reason = "empty"
    for place, note in enumerate(candidates(folder)):
        try:
            found.append((place, Signed(note, checkpoint.verify_note(note, key))))
        except BadCheckpoint as error:
            reason = str(error)
    if not found:
        raise LedgerError(
            f"{folder}: no checkpoint of this ledger's key: {reason}. See vedette-collector fsck"
        )
    return max(found, key=lambda item: item[1].head.size)
