"""Judge a receipt: is it signed, is the statement in the log, did the log only grow? Pure.

Every outcome is a value, not an exception: what ship hands over is hostile, and a lie must not stop
recording.
"""

from __future__ import annotations

import enum

import msgspec

from evidence import checkpoint, dsse, entry, receipt, statement, tree
from evidence.checkpoint import Checkpoint, VerifierKey
from evidence.entry import EntryType
from evidence.errors import BadProof, EvidenceError
from evidence.receipt import Receipt
from evidence.statement import Head, Seen, Statement


class Verdict(enum.StrEnum):
    """What a receipt is worth."""

    ACCEPTED = "accepted"
    STALE = "stale"
    """Valid, but not linked to the newest checkpoint known: the statement must be sent again."""
    INVALID = "invalid"
    """Proves nothing: not signed by the ledger, or not about this statement."""
    FORKED = "log_forked"
    """The ledger signed two trees of which neither extends the other."""
    SHRUNK = "log_shrunk"
    """The ledger put a statement before entries that the statement itself had already seen."""


ALARMS = frozenset({Verdict.FORKED, Verdict.SHRUNK})


class Known(msgspec.Struct, frozen=True):
    """A verified checkpoint, with the signed note it came in."""

    note: str
    checkpoint: Checkpoint

    @property
    def seen(self) -> Seen:
        """What a statement quotes."""
        return Seen(self.checkpoint.size, self.checkpoint.root.hex())


class Judgement(msgspec.Struct, frozen=True):
    """The verdict, its reason in words, and what is known afterwards; index is an accepted one's leaf."""

    verdict: Verdict
    reason: str
    known: Known | None
    head: Head | None = None
    index: int | None = None
    shown: str | None = None


def judge(raw: str, envelope: bytes, key: VerifierKey, known: Known | None) -> Judgement:
    """Return what the receipt `raw` for the batch statement in envelope is worth."""
    try:
        got = receipt.from_bytes(raw.encode())
        said = checkpoint.verify_note(got.checkpoint.encode(), key)
        receipt.check(got, entry.encode(EntryType.BATCH, envelope), key, None)
        opened = dsse.parse(envelope, statement.PAYLOAD_TYPE)
        subject = statement.from_bytes(opened.payload)
    except EvidenceError as error:
        return Judgement(Verdict.INVALID, str(error), known)
    verdict, reason = _against(got, said, subject, known)
    if verdict is not Verdict.ACCEPTED:
        return Judgement(verdict, reason, known, shown=got.checkpoint)
    head = Head(subject.seq, statement.digest(opened.payload))
    return Judgement(verdict, reason, Known(got.checkpoint, said), head, got.index)


def _against(got: Receipt, said: Checkpoint, subject: Statement, known: Known | None) -> tuple[Verdict, str]:
    """Judge a receipt that holds in itself against what was seen before."""
    if subject.seen is not None and got.index < subject.seen.size:
        return Verdict.SHRUNK, (
            f"statement {subject.lane} {subject.seq} had seen a log of {subject.seen.size} entries, "
            f"yet was logged as entry {got.index}"
        )
    if known is None:
        return Verdict.ACCEPTED, "first checkpoint"
    before = known.checkpoint
    if said.size < before.size:
        return Verdict.STALE, f"it shows a log of {said.size} entries, {before.size} are known"
    if said.size > before.size and got.old_size != before.size and before.size:
        return Verdict.STALE, f"its proof starts from {got.old_size} entries, {before.size} are known"
    return _extends(before, said, got)


def _extends(before: Checkpoint, said: Checkpoint, got: Receipt) -> tuple[Verdict, str]:
    proof = got.consistency if said.size > before.size else ()
    try:
        hashes = receipt.decode_hashes(proof)
        tree.check_consistency(before.size, said.size, before.root, said.root, hashes)
    except BadProof as error:
        return (
            Verdict.FORKED,
            f"the log of {said.size} entries does not extend that of {before.size}: {error}",
        )
    except EvidenceError as error:
        return Verdict.INVALID, str(error)
    return Verdict.ACCEPTED, f"extends the log of {before.size} entries"
