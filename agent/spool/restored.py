"""What a restored ledger lacks of this host's: sent again where it is still here, else owed a word."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from evidence import host_losses
from evidence.kind import Lane
from evidence.statement import Loss

from .accounts import Accounts
from .heads import LANES
from .segment import ABSENT, ACKED
from .shelf import Shelf
from .witness import Restored, Witness


def account_for(witness: Witness, shelf: Shelf, account: Accounts) -> Accounts:
    """Return the accounts with the last restore told; acknowledged statements that are here wait again.

    A restore that is owed or said already changes nothing, so it is safe to ask again after a kill.
    """
    if not witness.restored:
        return account
    last = witness.restored[-1]
    whole = _whole(last)
    if whole in account.owed_losses or whole in account.said_losses:
        return account
    gone: dict[Lane, list[int]] = {lane: [] for lane in LANES}
    for time, one in witness.acknowledged():
        if witness.lost_with(time, one) is not last:
            continue
        part = shelf.find(one.lane, one.seq)
        if part is None or part.done or part.flag(one.seq) & ABSENT:
            gone[one.lane].append(one.seq)
        else:
            part.clear(one.seq, ACKED)
    for lane, numbers in gone.items():
        for first, until in _runs(numbers):
            account = account.owe_loss(_lost(lane, first, until))
    return account.owe_loss(whole)


def _whole(restored: Restored) -> Loss:
    """Return the word that the ledger was restored: entries this host had seen of it, and those it kept."""
    seen = int(restored.note.split("\n", 2)[1]) if restored.note else 0
    return Loss(cause=host_losses.RESTORED, from_=restored.time, counts={"seen": seen, "kept": restored.size})


def _lost(lane: Lane, first: int, last: int) -> Loss:
    return Loss(
        cause=f"{host_losses.RESTORED} {lane} {first}-{last}", counts={"statements": last - first + 1}
    )


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of each run of consecutive numbers."""
    ordered = sorted(set(numbers))
    for _, run in itertools.groupby(enumerate(ordered), lambda item: item[1] - item[0]):
        members = [number for _, number in run]
        yield members[0], members[-1]
