"""Judges the ledger's entries one after another, as an auditor would: believing nobody. Pure."""

from __future__ import annotations

from collections import Counter

import msgspec

from evidence import decision, dsse, enrolment, entry, statement, successor, tree
from evidence.enrolment import Record
from evidence.entry import Entry, EntryType
from evidence.errors import CodecError, EvidenceError
from evidence.statement import Seen, Statement
from evidence.successor import Join
from evidence.tree import Tree

from ..chains.chains import Chains
from ..chains.projection import STATEMENTS
from ..chains.registry import Epoch, Registry


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that contradicts; entry is the leaf index it is about."""

    what: str
    entry: int | None = None


class Expired(msgspec.Struct, frozen=True):
    """The data of entries first to last was deleted; the retention entry `by` says so, with its reason."""

    first: int
    last: int
    by: int
    author: str
    reason: str


class Sealed(msgspec.Struct, frozen=True):
    """A statement whose signature holds, and the epoch of its key."""

    index: int
    said: Statement
    epoch: Epoch

    @property
    def due(self) -> tuple[bytes, int]:
        """SHA-256 (raw) and length of its data."""
        return bytes.fromhex(self.said.sha256), self.said.length


class Examiner:
    """Feed it every entry in order; then ask."""

    def __init__(self) -> None:
        self.tree = Tree()
        self.registry = Registry()
        self.chains = Chains()
        self.problems: list[Problem] = []
        self.expired: list[Expired] = []
        self.joins: list[int] = []
        self.counts: Counter[str] = Counter()
        self._without_data: list[Sealed] = []

    def feed(self, raw: bytes) -> Sealed | None:
        """Take the next entry; return the statement in it, None if there is none that holds."""
        index = self.tree.append(tree.leaf_hash(raw))
        try:
            found = entry.decode(raw)
            self.counts[found.type.name.lower()] += 1
            if found.type in STATEMENTS:
                return self._statement(index, found)
            self._other(index, found)
        except EvidenceError as error:
            self.complain(str(error), index)
        return None

    def without_data(self, sealed: Sealed) -> None:
        """Note that a statement's data is not there; its host must have signed that it was given up."""
        self._without_data.append(sealed)

    def finish(self) -> None:
        """Judge what only the whole shows: broken links, and data that nobody gave up."""
        for (agent, epoch, lane), state in self.chains.states().items():
            for seq in state.broken:
                self.complain(
                    f"agent {agent}, epoch {epoch}, {lane} {seq}: prev is not its predecessor's hash"
                )
        for sealed in self._without_data:
            if not self.chains.is_dropped(sealed.said, sealed.epoch):
                self.complain("has no data, and its host never signed that it gave it up", sealed.index)

    def complain(self, what: str, index: int | None = None) -> None:
        """Add a problem."""
        self.problems.append(Problem(what, index))

    def _statement(self, index: int, found: Entry) -> Sealed:
        envelope = dsse.parse(found.payload, statement.PAYLOAD_TYPE)
        epoch = self.registry.by_key(envelope.key_id)
        if epoch is None:
            raise CodecError(f"signed by key {envelope.key_id[:16]}…, which no entry before enrolled")
        dsse.check(envelope, epoch.public)
        said = statement.from_bytes(envelope.payload)
        if (said.agent, said.epoch) != (epoch.agent, epoch.epoch):
            raise CodecError(f"agent {said.agent} epoch {said.epoch}, signed by the key of another")
        if epoch.revoked_at is not None:
            self.complain(f"agent {said.agent} was revoked by entry {epoch.revoked_at}, before this", index)
        self._seen(index, said)
        self._place(index, found.type, said, statement.digest(envelope.payload), epoch)
        return Sealed(index, said, epoch)

    def _place(self, index: int, kind: EntryType, said: Statement, digest: str, epoch: Epoch) -> None:
        there = self.chains.find(said, epoch)
        if kind is EntryType.EQUIVOCATION:
            if there is None:
                self.complain("an equivocation, but of no statement before it", index)
            self.chains.fork(said, digest, epoch)
        elif there is not None:
            self.complain(f"{said.lane} {said.seq} of agent {said.agent} is entry {there} already", index)
        else:
            self.chains.accept(index, said, digest, epoch)

    def _seen(self, index: int, said: Statement) -> None:
        """Hold the tree against the checkpoint the host itself had verified when it sealed."""
        if said.seen is None or self._saw_what_is_lost(index, said.seen):
            return
        if said.seen.size > index:
            self.complain(
                f"its host had verified a tree of {said.seen.size} leaves: the ledger shrank", index
            )
        elif self.tree.root(said.seen.size).hex() != said.seen.root:
            self.complain(
                f"its host had verified another tree of {said.seen.size} leaves: it was rewritten", index
            )

    def _saw_what_is_lost(self, index: int, seen: Seen) -> bool:
        """Tell whether a host saw more of a former log than was restored, and had not heard of that yet."""
        after = [at for at in self.joins if at < min(index, seen.size)]
        return bool(after) and (seen.size > index or self.tree.root(seen.size).hex() != seen.root)

    def _other(self, index: int, found: Entry) -> None:
        self.registry.apply(index, found.type, found.payload)
        if found.type is EntryType.ENROLMENT:
            _check_proof(enrolment.record(found.payload))
        elif found.type is EntryType.SETTING:
            decision.setting(found.payload)
        elif found.type is EntryType.SUCCESSOR:
            self._join(index, successor.join(found.payload, index))
        elif found.type is EntryType.RETENTION:
            gone = decision.retention(found.payload)
            self.expired.append(Expired(gone.first, gone.last, index, gone.author, gone.reason))

    def _join(self, index: int, join: Join) -> None:
        """Hold the former log's checkpoint, which a SUCCESSOR entry quotes, against the entries before it."""
        self.joins.append(index)
        if self.tree.root(index) != join.checkpoint.root:
            self.complain("the former log's checkpoint is of other entries than those before it", index)


def _check_proof(record: Record) -> None:
    """Check that an enrolled key itself signed its enrolment.

    Raises:
        EvidenceError: it did not.
    """
    if enrolment.proven(record.proof.encode()).public != record.public:
        raise CodecError("enrolment proof: it is of another key than the one enrolled")
