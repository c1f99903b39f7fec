"""The enrolments as the ledger's files hold them: brought into state.db, and each with its receipt."""

from __future__ import annotations

from evidence import checkpoint, receipt, tree
from evidence.receipt import Receipt

from ..ledger import layout, scan
from ..ledger.hashes import PublishedHashes
from ..ledger.layout import SEGMENT
from ..ledger.publish import Published
from ..ledger.reader import LedgerReader
from ..paths import Paths
from ..state_db import StateDb
from .enrolments import Enrolments


def enrolments(paths: Paths) -> Enrolments:
    """Return the enrolments with every durable entry taken in.

    Raises:
        NotSetUp: there is no database.
        LedgerError: the ledger cannot be read.
    """
    known = Enrolments(StateDb(paths.state_db))
    at = known.position()
    reader = LedgerReader(paths.ledger)
    try:
        size = reader.size()
    finally:
        reader.close()
    while at < size:
        count = min(size, (at // SEGMENT + 1) * SEGMENT) - at
        known.take(at, scan.read_entries(paths.ledger, at, count))
        at += count
    return known


class LedgerFiles:
    """What the ledger's files say of enrolments; implements `registrar.Past`."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def catch_up(self) -> Enrolments:
        """Take every durable enrolment into state.db."""
        return enrolments(self._paths)

    def proven(self, index: int) -> tuple[bytes, Receipt]:
        """Return an entry and a receipt for it under the newest checkpoint, as its host would have got them.

        Raises:
            LedgerError: the ledger cannot be read, or has no such entry.
        """
        folder = self._paths.ledger
        published = Published(folder)
        note = published.checkpoint()
        key = checkpoint.parse_vkey((folder / layout.VERIFIER_KEY).read_text("ascii"))
        size = checkpoint.verify_note(note, key).size
        proof = tree.inclusion_proof(PublishedHashes(published, size), index, size)
        made = Receipt(index=index, checkpoint=note.decode(), inclusion=receipt.encode_hashes(proof))
        return scan.read_entry(folder, index), made
