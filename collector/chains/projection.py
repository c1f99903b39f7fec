"""All that ingest must know, derived from the ledger's entries in their order, old and new alike. Pure."""

from __future__ import annotations

import base64

import msgspec

from evidence import decision, entry, statement, successor
from evidence.entry import EntryType
from evidence.errors import CodecError
from evidence.statement import Statement

from .chains import Chains
from .contest import Contest
from .ranges import Ranges
from .registry import Epoch, Registry

HOLD = "legal_hold"
"""The setting that keeps entries' data from retention: object ``FIRST-LAST``, value ``on`` or ``off``."""

STATEMENTS = frozenset({EntryType.BATCH, EntryType.ACT, EntryType.EQUIVOCATION})
"""Entry types whose payload is a sealed statement."""


class _Wire(msgspec.Struct, frozen=True):
    payload: str


_wire = msgspec.json.Decoder(_Wire)


class Projection:
    """Keys, chains, contested agents, expired and held data."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.chains = Chains()
        self.contest = Contest()
        self.expired = Ranges()
        self.held = Ranges()
        self.joins: list[tuple[int, bytes]] = []
        """Index and bytes of each entry at which this log goes on from another one."""

    def replay(self, index: int, raw: bytes) -> None:
        """Take the entry at index as it stands in the ledger.

        Raises:
            CodecError: it cannot be read.
        """
        found = entry.decode(raw)
        if found.type not in STATEMENTS:
            self.apply(index, found.type, found.payload)
            return
        said, digest = open_statement(found.payload)
        epoch = self.registry.epoch(said.agent, said.epoch)
        if epoch is None:
            raise CodecError(f"entry {index}: a statement of {said.agent}, which was never enrolled")
        self.accept(index, found.type, said, digest, epoch)

    def accept(self, index: int, kind: EntryType, said: Statement, digest: str, epoch: Epoch) -> None:
        """Take a statement that is verified, or read back from the ledger."""
        if kind is EntryType.EQUIVOCATION:
            self.chains.fork(said, digest, epoch)
            self.contest.equivocated(index, said.agent)
        else:
            self.chains.accept(index, said, digest, epoch)

    def apply(self, index: int, kind: EntryType, payload: bytes) -> None:
        """Take an entry that holds no statement.

        Raises:
            CodecError: it cannot be read, or contradicts what is known.
        """
        self.registry.apply(index, kind, payload)
        self.contest.apply(kind, payload)
        if kind is EntryType.RETENTION:
            gone = decision.retention(payload)
            self.expired.add(gone.first, gone.last)
        elif kind is EntryType.SETTING:
            self._hold(decision.setting(payload))
        elif kind is EntryType.SUCCESSOR:
            self.joins.append((successor.join(payload, index).index, entry.encode(kind, payload)))

    def check(self, kind: EntryType, payload: bytes) -> None:
        """Tell whether `apply` would take such an entry, without taking it.

        Raises:
            CodecError: it would not.
        """
        if kind in STATEMENTS:
            raise CodecError(f"{kind.name.lower()} entry: statements come sealed, not as plain entries")
        self.registry.check(kind, payload)
        if kind is EntryType.RETENTION:
            decision.retention(payload)
        elif kind is EntryType.SUCCESSOR:
            successor.join(payload)
        elif kind is EntryType.SETTING:
            change = decision.setting(payload)
            if change.name == HOLD:
                decision.index_range(change.object or "")

    def _hold(self, change: decision.Setting) -> None:
        if change.name != HOLD:
            return
        first, last = decision.index_range(change.object or "")
        (self.held.add if change.value == "on" else self.held.remove)(first, last)


def open_statement(envelope: bytes) -> tuple[Statement, str]:
    """Return statement and digest of an envelope from the ledger; its signature was checked when it came.

    Raises:
        CodecError: it cannot be read.
    """
    try:
        payload = base64.b64decode(_wire.decode(envelope).payload, validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise CodecError(f"envelope: {error}") from error
    return statement.from_bytes(payload), statement.digest(payload)
