"""The open ledger with what follows from it, and the two ways to add what is no agent's batch.

The process that serves ingest holds one; a command holds one while no server runs. Everything here blocks.
"""

from __future__ import annotations

from evidence import entry
from evidence.entry import EntryType
from evidence.errors import CodecError
from evidence.kinds.collector import Act
from evidence.receipt import Receipt
from evidence.seal import SealedBatch

from .. import identity
from ..chains import acts
from ..chains.projection import Projection
from ..chains.registry import Epoch
from ..clock import Clock
from ..errors import LedgerError, NotSetUp
from ..ledger import segment
from ..ledger.disk import Disk
from ..ledger.segment import Row
from ..ledger.writer import Ledger
from ..paths import Paths


class Keeper:
    """Owns the ledger of a state folder."""

    def __init__(self, paths: Paths, origin: str, clock: Clock, disk: Disk | None = None) -> None:
        """Open the ledger, made if new, and derive keys and chains from its entries.

        Raises:
            LedgerError: in use, damaged, or shorter than its last signed checkpoint.
            NotSetUp: the key that signs checkpoints is missing.
        """
        self._paths = paths
        self._clock = clock
        self.projection = Projection()
        signer = identity.ledger_signer(paths)
        try:
            self.ledger = Ledger(paths.ledger, signer, origin, self.projection.replay, disk)
        except CodecError as error:
            raise LedgerError(f"{paths.ledger}: {error}. See vedette-collector fsck") from error

    def append(self, kind: EntryType, payload: bytes) -> Receipt:
        """Append an entry that holds no statement, and return its receipt once it is durable.

        Raises:
            CodecError: the payload is not what such an entry holds; nothing was appended.
            LedgerError: it could not be made durable.
        """
        row = self.plain_row(kind, payload)
        index = self.ledger.append([row])
        self.projection.apply(index, kind, payload)
        return self.ledger.receipt(index, 0)

    def record(self, act: Act) -> Receipt:
        """Seal act with the collector's own key, and return its receipt once it is durable.

        Raises:
            LedgerError: it could not be made durable.
            NotSetUp: the collector has no identity of its own yet.
            TooLarge: it does not fit into a batch.
        """
        sealed = self.seal_act(act)
        row = self.act_row(sealed)
        index = self.ledger.append([row])
        self.accept_act(index, sealed)
        return self.ledger.receipt(index, 0)

    def plain_row(self, kind: EntryType, payload: bytes) -> Row:
        """Return the row of an entry that holds no statement.

        Raises:
            CodecError: the payload is not what such an entry holds.
        """
        self.projection.check(kind, payload)
        return segment.row(entry.encode(kind, payload), self._clock.now())

    def seal_act(self, act: Act) -> SealedBatch:
        """Return act sealed as the next of the collector's own lane.

        Raises:
            NotSetUp: the collector has no identity of its own yet.
            TooLarge: it does not fit into a batch.
        """
        return acts.seal_act(
            act,
            self._clock.moment(),
            epoch=self._own_epoch(),
            chains=self.projection.chains,
            seen=self.ledger.checkpoint,
            signer=identity.signer(self._paths),
        )

    def act_row(self, sealed: SealedBatch) -> Row:
        """Return the row of a sealed act."""
        raw = entry.encode(EntryType.ACT, sealed.envelope)
        return segment.row(raw, self._clock.now(), sealed.data)

    def accept_act(self, index: int, sealed: SealedBatch) -> None:
        """Take a sealed act that is durable at index."""
        said = sealed.statement
        self.projection.accept(index, EntryType.ACT, said, sealed.digest, self._own_epoch())

    def checkpoint(self) -> bytes:
        """Return the newest signed checkpoint."""
        return self.ledger.note

    def close(self) -> None:
        """Close the ledger and give up its lock."""
        self.ledger.close()

    def _own_epoch(self) -> Epoch:
        own = identity.load(self._paths)
        epoch = self.projection.registry.epoch(own.agent, own.epoch)
        if epoch is None:
            raise NotSetUp(f"{self._paths.identity}: not of this ledger; run `vedette-collector setup`")
        return epoch
