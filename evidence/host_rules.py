"""Rules that a bundle must meet against what a host holds: its key, the checkpoints it saw, its receipts."""

from __future__ import annotations

from . import checkpoint, tree
from .bundle import Subject
from .chain_rules import Chains
from .checkpoint import Checkpoint, VerifierKey
from .errors import EvidenceError
from .host_receipts import Acknowledged, HostReceipts
from .join_rules import WHY, Joins
from .kind import Lane
from .opened import Key, Place, Signed
from .receipt import decode_hashes
from .report import Missing

SKEW = 5_000_000_000
"""Nanoseconds that the clocks of host and collector may differ at the end of a bundle's interval."""


class Witness:
    """One host's word, held against a bundle."""

    def __init__(self, host: HostReceipts, subject: Subject, chains: Chains, joins: Joins, name: str) -> None:
        """Take what the host holds, and the bundle's subject, statements, joins and log name."""
        self._joins, self._name = joins, name
        self._said = host
        self._subject = subject
        self._held: dict[Lane, dict[int, Signed]] = {
            lane: {item.said.seq: item for item in chains.get(self._place(lane), ())}
            for lane in ("priority", "bulk")
        }

    @property
    def agent(self) -> str:
        """The host's agent."""
        return self._said.host.agent

    def _place(self, lane: Lane) -> Place:
        return self._said.host.agent, self._said.host.epoch, lane

    def identity(self, keys: dict[tuple[str, int], Key]) -> list[str]:
        """Check the key that the bundle says is the host's, and what the host says against the ledger."""
        who = self._said.host
        key = keys.get((who.agent, who.epoch))
        problems: list[str] = []
        if key is not None and key.public.hex() != who.public:
            problems.append(f"agent {who.agent}: the bundle has another signing key than its host")
        if key is not None and who.entry not in (None, key.entry):
            problems.append(f"agent {who.agent}: the bundle has another enrolment than its host")
        if who.alarm is not None:
            problems.append(f"host {who.agent} holds against the ledger: {who.alarm}")
        return problems

    def notes(
        self, key: VerifierKey | None, head: Checkpoint, anchors: dict[int, tuple[str, ...]]
    ) -> list[str]:
        """Check the ledger's key, and that the checkpoints the host verified became the bundle's.

        Those of a size for which the bundle has no proof say nothing here.
        """
        who = self._said.host
        former = {str(join.former) for join in self._joins.all}
        if key is None or (who.ledger_key != str(key) and who.ledger_key not in former):
            return [f"host {who.agent} knows another ledger: {who.ledger_key[:200]}"]
        problems: list[str] = []
        for note in self._said.notes:
            try:
                known = checkpoint.verify_note(note.note.encode(), self._key_of(note.note, key))
                if known.origin != key.name and known.size > (self._joins.kept or 0):
                    continue
                if known.size in (0, head.size) or (known.size < head.size and known.size in anchors):
                    proof = decode_hashes(anchors.get(known.size, ()) if known.size < head.size else ())
                    tree.check_consistency(known.size, head.size, known.root, head.root, proof)
            except EvidenceError as error:
                problems.append(f"host {who.agent} holds another signed log: {error}")
        return problems

    def _key_of(self, note: str, key: VerifierKey) -> VerifierKey:
        """Return under which name a note must be signed: a former log's, where the log has one."""
        origin, _, _ = note.partition("\n")
        return VerifierKey(origin, key.public) if self._joins.all else key

    def saw(self) -> int:
        """Return the size of the largest tree of a former log of which the host holds a signed checkpoint."""
        sizes = [
            int(size)
            for note in self._said.notes
            for origin, size in [note.note.split("\n", 2)[:2]]
            if origin != self._name and size.isdigit()
        ]
        return max(sizes, default=0)

    def _lost(self, receipt: Acknowledged) -> bool:
        return self._joins.lost(self._said, receipt, self._name)

    def contradictions(self) -> list[str]:
        """Check digest and place of every statement for which the host holds a receipt."""
        problems: list[str] = []
        for receipt in self._said.receipts:
            item = self._held[receipt.lane].get(receipt.seq)
            if item is None:
                continue
            if item.digest != receipt.digest:
                problems.append(f"{item}: not the statement its host has a receipt for")
            elif item.index != receipt.index and not self._lost(receipt):
                problems.append(f"{item}: was entry {receipt.index} of the ledger, is entry {item.index} now")
        for lane, head in self._said.host.heads.items():
            item = self._held[lane].get(head.seq)
            if item is not None and item.digest != head.hash:
                problems.append(f"{item}: not the statement its host has as its newest")
        return problems

    def absent(self, size: int) -> list[Missing]:
        """Return what the host has receipts for and the bundle, of a log of size entries, lacks."""
        if self._subject.agents and self.agent not in self._subject.agents:
            return []
        return [
            Missing(
                *self._place(receipt.lane),
                receipt.seq,
                receipt.seq,
                f"its host holds a receipt: entry {receipt.index}",
            )
            for receipt in self._said.receipts
            if receipt.seq not in self._held[receipt.lane]
            and not self._lost(receipt)
            and self._belongs(receipt, size)
        ]

    def gone(self) -> list[Missing]:
        """Return what the bundle lacks since the log was restored, though its host has receipts for it."""
        if self._subject.agents and self.agent not in self._subject.agents:
            return []
        return [
            Missing(*self._place(receipt.lane), receipt.seq, receipt.seq, WHY)
            for receipt in self._said.receipts
            if receipt.seq not in self._held[receipt.lane]
            and self._lost(receipt)
            and self._falls_within(receipt)
        ]

    def _falls_within(self, receipt: Acknowledged) -> bool:
        """Tell whether a lost statement would lie between those in the bundle, or in its interval."""
        held = self._held[receipt.lane]
        if held and min(held) <= receipt.seq <= max(held):
            return True
        return self._subject.begin <= receipt.time <= self._subject.end

    def _belongs(self, receipt: Acknowledged, size: int) -> bool:
        """Tell whether a statement that is not in the bundle should be.

        That one was in the log, not its time, decides: a collector that answers late could else hide it. A
        chain may end before the log does only with a statement sent after the interval.
        """
        held = self._held[receipt.lane]
        if receipt.index >= size:
            return self._subject.begin <= receipt.time <= self._subject.end - SKEW
        if not held:
            return True
        first, last = min(held), max(held)
        if receipt.seq <= last:
            return receipt.seq >= first
        return held[last].said.sent <= self._subject.end or receipt.time <= self._subject.end

    def anchors(self) -> bool:
        """Tell whether the host vouches for the bundle: it knew all of the interval, and a receipt agrees."""
        knew = self._said.host.exported >= self._subject.end - SKEW
        return knew and any(
            (item := self._held[receipt.lane].get(receipt.seq)) is not None and item.digest == receipt.digest
            for receipt in self._said.receipts
        )
