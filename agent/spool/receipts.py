"""Judge a receipt: is it signed, is the statement in the log, did the log only grow? Pure.

Every outcome is a value, not an exception: what ship hands over is hostile, and a lie must not stop
recording.
"""

from __future__ import annotations

import contextlib
import enum

import msgspec

from evidence import dsse, entry, receipt, statement, successor, tree
from evidence.checkpoint import Checkpoint, VerifierKey
from evidence.entry import EntryType
from evidence.errors import BadProof, EvidenceError
from evidence.receipt import Receipt
from evidence.statement import Head, Seen, Statement
from evidence.successor import Join


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
    """The verdict, its reason in words, and what is known afterwards; index is an accepted one's leaf.

    joins are there where the log goes on from the one that was known: it was restored from a backup.
    """

    verdict: Verdict
    reason: str
    known: Known | None
    head: Head | None = None
    index: int | None = None
    shown: str | None = None
    joins: tuple[Join, ...] = ()


def judge(
    raw: str,
    envelope: bytes,
    key: VerifierKey,
    known: Known | None,
    *,
    quotes_former: bool = False,
    formers: tuple[VerifierKey, ...] = (),
) -> Judgement:
    """Return what the receipt `raw` for the batch statement in envelope is worth.

    quotes_former: the statement quotes a log from before the last restore. formers are the keys of such logs.
    """
    try:
        got = receipt.from_bytes(raw.encode())
        joins = _follow(got, key, formers)
        said = receipt.check(
            got, entry.encode(EntryType.BATCH, envelope), joins[-1].key if joins else key, None
        )
        opened = dsse.parse(envelope, statement.PAYLOAD_TYPE)
        subject = statement.from_bytes(opened.payload)
    except EvidenceError as error:
        return Judgement(Verdict.INVALID, str(error), known)
    if joins and known is not None and known.checkpoint.size > joins[0].index:
        verdict, reason = Verdict.ACCEPTED, f"the log was restored with {joins[0].index} entries"
    else:
        verdict, reason = _against(got, said, subject, known, quotes_former=quotes_former or bool(joins))
    if verdict is not Verdict.ACCEPTED:
        return Judgement(verdict, reason, known, shown=got.checkpoint)
    head = Head(subject.seq, statement.digest(opened.payload))
    return Judgement(verdict, reason, Known(got.checkpoint, said), head, got.index, joins=joins)


def _follow(got: Receipt, key: VerifierKey, formers: tuple[VerifierKey, ...]) -> tuple[Join, ...]:
    """Return the steps to the receipt's log, from the known one or, if it was restored twice, a former.

    Raises:
        EvidenceError: nothing leads there; a former log itself is none.
    """
    try:
        return successor.follow(got, key)
    except EvidenceError:
        for former in formers:
            with contextlib.suppress(EvidenceError):
                if joins := successor.follow(got, former):
                    return joins
        raise


def _against(
    got: Receipt, said: Checkpoint, subject: Statement, known: Known | None, *, quotes_former: bool
) -> tuple[Verdict, str]:
    """Judge a receipt that holds in itself against what was seen before."""
    if subject.seen is not None and got.index < subject.seen.size and not quotes_former:
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
