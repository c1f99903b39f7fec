"""Audit a bundle offline: signatures, inclusion, chains, and what hosts themselves saw of the log.

The collector's administrator is a suspect: nothing is believed because the ledger's key signed it. Hosts
signed their statements, each statement quotes the tree its host verified, and receipts taken from hosts say
which statements the ledger once held.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from . import checkpoint, dsse, entry, seal, statement, tree
from .bundle import Bundle, Piece
from .checkpoint import Checkpoint, VerifierKey
from .enrolment import PROOF_TYPE, Proof, Record, RevocationRecord
from .entry import EntryType
from .errors import EvidenceError
from .host_receipts import HostReceipts
from .kind import Lane
from .receipt import decode_hashes
from .statement import Loss, Statement

Status = Literal["verified", "consistent, not anchored", "incomplete", "broken"]
_GAP_LIMIT = 1000
_SKEW = 5_000_000_000
_SIGNED = frozenset({EntryType.BATCH, EntryType.ACT, EntryType.SETTING, EntryType.EQUIVOCATION})


class Missing(msgspec.Struct, frozen=True):
    """A statement that should be here: whose, in which lane, its number, and how that is known."""

    agent: str
    lane: Lane
    seq: int
    why: str


class Chain(msgspec.Struct, frozen=True):
    """What the bundle holds of one chain: statements first to last, events, and losses its host signed."""

    agent: str
    epoch: int
    lane: Lane
    first: int
    last: int
    begin: int | None
    end: int | None
    events: int
    with_data: int
    losses: tuple[Loss, ...]


class Report(msgspec.Struct, frozen=True):
    """The outcome. problems are contradictions, in words; anchored names the hosts whose receipts agree."""

    status: Status
    name: str
    problems: tuple[str, ...]
    missing: tuple[Missing, ...]
    chains: tuple[Chain, ...]
    anchored: tuple[str, ...]
    statements: int


class _Signed(msgspec.Struct, frozen=True):
    index: int
    said: Statement
    digest: str
    data: bytes | None


def audit(bundle: Bundle, trusted: Sequence[HostReceipts] = ()) -> Report:
    """Verify everything a bundle claims; with receipts taken from hosts, also against what they saw."""
    problems: list[str] = []
    key, head = _head(bundle, problems)
    if head is not None:
        _inclusion(bundle, head, problems)
    keys = _keys(bundle.pieces, problems)
    signed = _statements(bundle.pieces, keys, problems)
    problems += _links(signed)
    missing = [*_holes(signed), *_late_starts(signed, bundle.manifest.subject.begin), *_quoted(signed)]
    if head is not None:
        problems += _seen(bundle, head, signed)
        problems += [text for host in trusted for text in _notes(host, key, head)]
    problems += [text for host in trusted for text in _contradictions(host, signed, keys)]
    absent = [gap for host in trusted for gap in _absent(host, bundle, signed)]
    problems += [f"agent {gap.agent}, {gap.lane} {gap.seq}: is not here, yet {gap.why}" for gap in absent]
    missing = [*absent, *missing]
    anchored = tuple(sorted({host.host.agent for host in trusted} & {item.said.agent for item in signed}))
    unique = tuple({(gap.agent, gap.lane, gap.seq): gap for gap in reversed(missing)}.values())[::-1]
    status = _status(problems, unique, anchored)
    return Report(status, bundle.name, tuple(problems), unique, _chains(signed), anchored, len(signed))


def _status(problems: Sequence[str], missing: Sequence[Missing], anchored: Sequence[str]) -> Status:
    if problems:
        return "broken"
    if missing:
        return "incomplete"
    return "verified" if anchored else "consistent, not anchored"


def _head(bundle: Bundle, problems: list[str]) -> tuple[VerifierKey | None, Checkpoint | None]:
    try:
        key = checkpoint.parse_vkey(bundle.manifest.ledger_key)
        return key, checkpoint.verify_note(bundle.manifest.checkpoint.encode(), key)
    except EvidenceError as error:
        problems.append(str(error))
        return None, None


def _inclusion(bundle: Bundle, head: Checkpoint, problems: list[str]) -> None:
    for piece in bundle.pieces:
        try:
            leaf = tree.leaf_hash(piece.entry)
            tree.check_inclusion(leaf, piece.index, head.size, decode_hashes(piece.proof), head.root)
        except EvidenceError as error:
            problems.append(f"entry {piece.index}: {error}")


def _keys(pieces: Iterable[Piece], problems: list[str]) -> dict[tuple[str, int], bytes]:
    """Return the signing keys by (agent, epoch), from enrolments whose proof of possession holds."""
    keys: dict[tuple[str, int], bytes] = {}
    for piece in pieces:
        try:
            opened = entry.decode(piece.entry)
            if opened.type is not EntryType.ENROLMENT:
                continue
            record = msgspec.json.decode(opened.payload, type=Record)
            public = bytes.fromhex(record.public)
            envelope = dsse.parse(record.proof.encode(), PROOF_TYPE)
            dsse.check(envelope, public)
            if msgspec.json.decode(envelope.payload, type=Proof).public != record.public:
                problems.append(f"entry {piece.index}: the enrolment's proof is for another key")
                continue
            keys[record.agent, record.epoch] = public
        except (EvidenceError, msgspec.DecodeError) as error:
            problems.append(f"entry {piece.index}: {error}")
    return keys


def _revocations(pieces: Iterable[Piece]) -> dict[str, int]:
    """Return the smallest index of a revocation by agent; what comes after it does not count."""
    found: dict[str, int] = {}
    for piece in pieces:
        if piece.entry[:1] == bytes([EntryType.REVOCATION]):
            with contextlib.suppress(msgspec.DecodeError):
                agent = msgspec.json.decode(piece.entry[1:], type=RevocationRecord).agent
                found[agent] = min(piece.index, found.get(agent, piece.index))
    return found


def _statements(
    pieces: Sequence[Piece], keys: dict[tuple[str, int], bytes], problems: list[str]
) -> list[_Signed]:
    found: list[_Signed] = []
    revoked = _revocations(pieces)
    for piece in pieces:
        try:
            opened = entry.decode(piece.entry)
            if opened.type not in _SIGNED:
                continue
            item = _statement(piece, opened.payload, keys)
        except (EvidenceError, msgspec.DecodeError) as error:
            problems.append(f"entry {piece.index}: {error}")
            continue
        if opened.type is EntryType.EQUIVOCATION:
            said = item.said
            problems.append(f"agent {said.agent} signed two statements as {said.lane} {said.seq}")
        elif piece.index > revoked.get(item.said.agent, piece.index):
            problems.append(f"entry {piece.index}: agent {item.said.agent} was revoked before it")
        else:
            found.append(item)
    return found


def _statement(piece: Piece, payload: bytes, keys: dict[tuple[str, int], bytes]) -> _Signed:
    envelope = dsse.parse(payload, statement.PAYLOAD_TYPE)
    said = statement.from_bytes(envelope.payload)
    public = keys.get((said.agent, said.epoch))
    if public is None:
        raise EvidenceError(f"no enrolment of agent {said.agent}, epoch {said.epoch}, is in the bundle")
    dsse.check(envelope, public)
    if piece.data:
        seal.check_data(said, piece.data)
    return _Signed(piece.index, said, statement.digest(envelope.payload), piece.data)


def _by_chain(signed: Iterable[_Signed]) -> dict[tuple[str, int, Lane], list[_Signed]]:
    chains: dict[tuple[str, int, Lane], list[_Signed]] = {}
    for item in signed:
        chains.setdefault((item.said.agent, item.said.epoch, item.said.lane), []).append(item)
    return {key: sorted(items, key=lambda item: item.said.seq) for key, items in sorted(chains.items())}


def _links(signed: Iterable[_Signed]) -> list[str]:
    """Check that each statement quotes the one before it."""
    return [
        f"agent {agent}, {lane} {after.said.seq}: does not follow {lane} {before.said.seq} as it is here"
        for (agent, _epoch, lane), items in _by_chain(signed).items()
        for before, after in itertools.pairwise(items)
        if after.said.seq == before.said.seq + 1 and after.said.prev != before.digest
    ]


def _holes(signed: Iterable[_Signed]) -> list[Missing]:
    return [
        Missing(agent, lane, seq, f"the chain jumps from {before.said.seq} to {after.said.seq}")
        for (agent, _epoch, lane), items in _by_chain(signed).items()
        for before, after in itertools.pairwise(items)
        for seq in range(before.said.seq + 1, min(after.said.seq, before.said.seq + _GAP_LIMIT))
    ]


def _late_starts(signed: Iterable[_Signed], begin: int) -> list[Missing]:
    """Return the statement before each chain's first, unless the first was sent before the interval began."""
    return [
        Missing(agent, lane, items[0].said.seq - 1, "the bundle starts after its interval began")
        for (agent, _epoch, lane), items in _by_chain(signed).items()
        if items[0].said.seq > 1 and items[0].said.sent >= begin
    ]


def _quoted(signed: Sequence[_Signed]) -> list[Missing]:
    """Return the newest statement of a lane that the other lane quotes, where the bundle ends before it."""
    last = {chain: items[-1].said.seq for chain, items in _by_chain(signed).items()}
    quoted: dict[tuple[str, int, Lane], int] = {}
    for item in signed:
        other: Lane = "bulk" if item.said.lane == "priority" else "priority"
        chain = (item.said.agent, item.said.epoch, other)
        quoted[chain] = max(quoted.get(chain, 0), item.said.other.seq)
    return [
        Missing(chain[0], chain[2], seq, "the other lane quotes it")
        for chain, seq in quoted.items()
        if seq > last.get(chain, 0)
    ]


def _seen(bundle: Bundle, head: Checkpoint, signed: Iterable[_Signed]) -> list[str]:
    """Check that each tree a host saw, as its statements quote it, became the bundle's tree."""
    proofs = {anchor.size: anchor.proof for anchor in bundle.manifest.anchors}
    problems: list[str] = []
    for item in signed:
        seen = item.said.seen
        if seen is None:
            continue
        try:
            proof = decode_hashes(proofs.get(seen.size, ()))
            tree.check_consistency(seen.size, head.size, bytes.fromhex(seen.root), head.root, proof)
        except EvidenceError as error:
            said = item.said
            problems.append(
                f"agent {said.agent}, {said.lane} {said.seq}: its host saw a log of {seen.size} entries "
                f"that is not in this one ({error})"
            )
    return problems


def _notes(host: HostReceipts, key: VerifierKey | None, head: Checkpoint) -> list[str]:
    """Check the ledger's key, and that no checkpoint the host holds contradicts the bundle's."""
    if key is None or host.host.ledger_key != str(key):
        return [f"host {host.host.agent} knows another ledger: {host.host.ledger_key}"]
    problems: list[str] = []
    for note in host.notes:
        try:
            known = checkpoint.verify_note(note.note.encode(), key)
        except EvidenceError as error:
            problems.append(f"receipts of {host.host.agent}: {error}")
            continue
        if known.size == head.size and known.root != head.root:
            problems.append(f"host {host.host.agent} holds another signed log of {known.size} entries")
    return problems


def _contradictions(
    host: HostReceipts, signed: Iterable[_Signed], keys: dict[tuple[str, int], bytes]
) -> list[str]:
    """Check key, digest and place of every statement for which the host holds a receipt."""
    who = host.host
    problems: list[str] = []
    public = keys.get((who.agent, who.epoch))
    if public is not None and public.hex() != who.public:
        problems.append(f"agent {who.agent}: the bundle has another signing key than its host")
    held = {(item.said.lane, item.said.seq): item for item in signed if _is_of(item, host)}
    for receipt in host.receipts:
        item = held.get((receipt.lane, receipt.seq))
        if item is None:
            continue
        name = f"agent {who.agent}, {receipt.lane} {receipt.seq}"
        if item.digest != receipt.digest:
            problems.append(f"{name}: not the statement its host has a receipt for")
        elif item.index != receipt.index:
            problems.append(f"{name}: was entry {receipt.index} of the ledger, is entry {item.index} now")
    return problems


def _is_of(item: _Signed, host: HostReceipts) -> bool:
    return item.said.agent == host.host.agent and item.said.epoch == host.host.epoch


def _absent(host: HostReceipts, bundle: Bundle, signed: Iterable[_Signed]) -> list[Missing]:
    """Return what the host has receipts for, in the bundle's ranges and interval, and the bundle lacks.

    What the ledger got only after the bundle was made is not missing; the clocks may differ by _SKEW.
    """
    subject = bundle.manifest.subject
    held: dict[Lane, set[int]] = {"priority": set(), "bulk": set()}
    for item in signed:
        if _is_of(item, host):
            held[item.said.lane].add(item.said.seq)
    first = {lane: min(seqs, default=0) for lane, seqs in held.items()}
    return [
        Missing(
            host.host.agent, receipt.lane, receipt.seq, f"its host holds a receipt: entry {receipt.index}"
        )
        for receipt in host.receipts
        if receipt.seq not in held[receipt.lane]
        and receipt.seq >= first[receipt.lane]
        and receipt.time <= subject.end - (_SKEW if receipt.index >= subject.considered else 0)
        and (receipt.time >= subject.begin or held[receipt.lane])
    ]


def _chains(signed: Iterable[_Signed]) -> tuple[Chain, ...]:
    return tuple(
        Chain(
            agent,
            epoch,
            lane,
            items[0].said.seq,
            items[-1].said.seq,
            min((item.said.first_time for item in items if item.said.first_time is not None), default=None),
            max((item.said.last_time for item in items if item.said.last_time is not None), default=None),
            sum(item.said.events for item in items),
            sum(item.data is not None for item in items),
            tuple(loss for item in items for loss in item.said.loss),
        )
        for (agent, epoch, lane), items in _by_chain(signed).items()
    )
