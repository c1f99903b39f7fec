"""What a bundle of a restored log owes: the joins hold, and hosts name what was lost. Pure.

A join is there for everybody to see. It explains only what lay beyond the entries that were taken over, and
only where a host says so itself: in a loss that it signed, or by a receipt that it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import host_losses, tree
from .chain_rules import Chains
from .checkpoint import Checkpoint, VerifierKey
from .errors import EvidenceError
from .host_receipts import Acknowledged, HostReceipts
from .opened import Place
from .receipt import decode_hashes
from .report import Missing
from .statement import Seen
from .successor import Join

WHY = "lost when the collector was restored from a backup"
Span = tuple[int, int]


class Joins:
    """The joins of a bundle, in their order."""

    def __init__(self, joins: Sequence[Join]) -> None:
        self.all = tuple(joins)

    @property
    def kept(self) -> int | None:
        """How many entries this log has in common with every former one; None where there is none."""
        return min((join.index for join in self.all), default=None)

    def problems(
        self, key: VerifierKey | None, head: Checkpoint | None, anchors: dict[int, tuple[str, ...]]
    ) -> list[str]:
        """Check that the joins lead to the bundle's log, and that this took over what they say."""
        if key is None or head is None or not self.all:
            return []
        found: list[str] = []
        keys = [join.key for join in self.all]
        if keys[-1] != key or [join.former for join in self.all[1:]] != keys[:-1]:
            found.append("the entries of type SUCCESSOR do not lead to the bundle's log")
        for join in self.all:
            before = join.checkpoint
            try:
                proof = decode_hashes(anchors.get(before.size, ()))
                tree.check_consistency(before.size, head.size, before.root, head.root, proof)
            except EvidenceError as error:
                found.append(
                    f"the log does not go on from the {before.size} entries of {before.origin}: {error}"
                )
        return found

    def explain(self, index: int, seen: Seen) -> bool:
        """Tell whether the statement at index may quote a tree of a part that was lost."""
        return any(join.index < min(index, seen.size) for join in self.all)

    def lost(self, host: HostReceipts, receipt: Acknowledged, name: str) -> bool:
        """Tell whether a receipt is of a part of a former log that this one, called name, lacks."""
        known, _, _ = host.host.ledger_key.partition("+")
        return self.kept is not None and receipt.index >= self.kept and (receipt.log or known) != name


def spans(chains: Chains, hosts: Iterable[HostReceipts], joins: Joins, name: str) -> dict[Place, list[Span]]:
    """Return which statements hosts say were lost, in losses they signed or by receipts they hold."""
    found: dict[Place, list[Span]] = {}
    if joins.kept is None:
        return found
    for (agent, epoch, _), items in chains.items():
        for loss in (loss for item in items for loss in item.said.loss):
            gone = host_losses.lost_by_restore(loss)
            if gone is not None:
                found.setdefault((agent, epoch, gone.lane), []).append((gone.first, gone.last))
    for host in hosts:
        for receipt in host.receipts:
            if joins.lost(host, receipt, name):
                place: Place = (host.host.agent, host.host.epoch, receipt.lane)
                found.setdefault(place, []).append((receipt.seq, receipt.seq))
    return found


def split(gaps: Iterable[Missing], gone: dict[Place, list[Span]]) -> tuple[list[Missing], list[Missing]]:
    """Return what is missing for no reason, and what was lost by a restore."""
    missing: list[Missing] = []
    lost: list[Missing] = []
    for gap in gaps:
        at = gap.seq
        for first, last in sorted(gone.get((gap.agent, gap.epoch, gap.lane), ())):
            if last < at or first > gap.last:
                continue
            if first > at:
                missing.append(_part(gap, at, first - 1, gap.why))
            lost.append(_part(gap, max(first, at), min(last, gap.last), WHY))
            at = min(last, gap.last) + 1
        if at <= gap.last:
            missing.append(_part(gap, at, gap.last, gap.why))
    return missing, lost


def _part(gap: Missing, first: int, last: int, why: str) -> Missing:
    return Missing(gap.agent, gap.epoch, gap.lane, first, last, why)


def merged(gaps: Iterable[Missing]) -> tuple[Missing, ...]:
    """Return ranges with neighbours of one chain and reason as one."""
    found: list[Missing] = []
    for gap in sorted(set(gaps), key=lambda gap: (gap.agent, gap.epoch, gap.lane, gap.seq)):
        before = found[-1] if found else None
        same = before is not None and _chain(before) == _chain(gap) and gap.seq <= before.last + 1
        if before is not None and same:
            found[-1] = _part(before, before.seq, max(before.last, gap.last), before.why)
        else:
            found.append(gap)
    return tuple(found)


def _chain(gap: Missing) -> tuple[str, int, str]:
    return gap.agent, gap.epoch, gap.lane
