"""Rules that a bundle's statements must meet among themselves: links, holes, quotes, data."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

from . import tree
from .checkpoint import Checkpoint
from .errors import EvidenceError
from .opened import Key, Opened, Place, Signed
from .receipt import decode_hashes
from .report import Chain, Missing
from .statement import Seen

Chains = dict[Place, list[Signed]]
"""Statements by chain, in the order of their numbers."""


def by_chain(signed: Iterable[Signed]) -> Chains:
    """Return statements by chain, sorted."""
    chains: Chains = {}
    for item in signed:
        chains.setdefault(item.place, []).append(item)
    return {place: sorted(items, key=lambda item: item.said.seq) for place, items in sorted(chains.items())}


def links(chains: Chains, keys: dict[tuple[str, int], Key]) -> list[str]:
    """Check that each place is taken once, and each statement quotes the one before it."""
    problems: list[str] = []
    for (agent, epoch, _lane), items in chains.items():
        first = items[0]
        if first.said.seq == 1 and first.said.prev != keys[agent, epoch].entry:
            problems.append(f"{first}: quotes another enrolment than the one that is here")
        for before, after in itertools.pairwise(items):
            if after.said.seq == before.said.seq:
                same = after.digest == before.digest
                problems.append(f"{after}: {'is here twice' if same else 'two statements were signed as it'}")
            elif after.said.seq == before.said.seq + 1 and after.said.prev != before.digest:
                problems.append(f"{after}: does not follow the {before.said.lane} {before.said.seq} here")
    return problems


def forks(chains: Chains, found: Iterable[Signed]) -> list[str]:
    """Name what hosts signed twice, as far as both statements are here to prove it."""
    places = {(item.place, item.said.seq): item.digest for items in chains.values() for item in items}
    problems: list[str] = []
    for item in found:
        first = places.get((item.place, item.said.seq))
        if first is None:
            problems.append(f"{item}: entry {item.index} calls it a second one, and the first is not here")
        elif first == item.digest:
            problems.append(f"{item}: entry {item.index} calls it a second one, and it is the first")
        else:
            problems.append(f"{item}: its host signed two statements as it")
    return problems


def holes(chains: Chains) -> list[Missing]:
    """Return what is missing between a chain's first and last statement."""
    return [
        Missing(*place, before.said.seq + 1, after.said.seq - 1, "the chain jumps over it")
        for place, items in chains.items()
        for before, after in itertools.pairwise(items)
        if after.said.seq > before.said.seq + 1
    ]


def late_starts(chains: Chains, begin: int) -> list[Missing]:
    """Return the statement before each chain's first, unless the first was sent before the interval began."""
    return [
        Missing(*place, first.seq - 1, first.seq - 1, "the bundle starts after its interval began")
        for place, items in chains.items()
        if (first := items[0].said).seq > 1 and first.sent >= begin
    ]


def quotes(chains: Chains, keys: dict[tuple[str, int], Key]) -> tuple[list[str], list[Missing]]:
    """Check what each statement quotes of the other lane: the head's hash, and that it is in the bundle."""
    digests = {(item.place, item.said.seq): item.digest for items in chains.values() for item in items}
    problems: list[str] = []
    newest: dict[Place, int] = {}
    for item in itertools.chain.from_iterable(chains.values()):
        agent, epoch, lane = item.place
        other: Place = (agent, epoch, "bulk" if lane == "priority" else "priority")
        head = item.said.other
        if head.seq:
            newest[other] = max(newest.get(other, 0), head.seq)
        quoted = digests.get((other, head.seq)) if head.seq else keys[agent, epoch].entry
        if quoted not in (None, head.hash):
            problems.append(f"{item}: quotes another {other[2]} {head.seq} than the one that is here")
    missing = [
        Missing(*place, last + 1, seq, "the other lane quotes it")
        for place, seq in newest.items()
        if seq > (last := chains[place][-1].said.seq if place in chains else seq - 1)
    ]
    return problems, missing


def seen(
    signed: Iterable[Signed],
    anchors: dict[int, tuple[str, ...]],
    head: Checkpoint,
    explained: Callable[[int, Seen], bool] = lambda _index, _seen: False,
) -> list[str]:
    """Check that each tree a host saw, as its statements quote it, became the bundle's tree, before them.

    explained tells whether the statement at an index may quote a tree of a former log that was lost.
    """
    problems: list[str] = []
    for item in signed:
        quoted = item.said.seen
        if quoted is None:
            continue
        try:
            proof = decode_hashes(anchors.get(quoted.size, ()))
            tree.check_consistency(quoted.size, head.size, bytes.fromhex(quoted.root), head.root, proof)
        except EvidenceError as error:
            if explained(item.index, quoted):
                continue
            problems.append(
                f"{item}: its host saw a log of {quoted.size} entries that is not in this one ({error})"
            )
        if item.index < quoted.size:
            problems.append(f"{item}: is entry {item.index}, yet its host saw {quoted.size} entries before")
    return problems


class DataRules:
    """Why the data of a statement may be absent: its host gave it up, or retention deleted it."""

    def __init__(self, opened: Opened) -> None:
        self._spans: dict[Place, list[tuple[int, int]]] = {}
        self._retentions = opened.retentions
        for item in (*opened.statements, *opened.asides):
            for gone in item.said.dropped:
                place: Place = (item.said.agent, item.said.epoch, gone.lane)
                self._spans.setdefault(place, []).append((gone.first, gone.last))

    def dropped(self, item: Signed) -> bool:
        """Tell whether its host signed that the data was given up."""
        return any(first <= item.said.seq <= last for first, last in self._spans.get(item.place, ()))

    def expired(self, item: Signed) -> bool:
        """Tell whether a later retention entry says that the data was deleted."""
        return any(gone.first <= item.index <= gone.last for at, gone in self._retentions if at > item.index)

    def missing(self, chains: Chains) -> list[Missing]:
        """Return the statements without data for which there is no reason."""
        return [
            Missing(*item.place, item.said.seq, item.said.seq, "its data is not here, and nothing says why")
            for items in chains.values()
            for item in items
            if item.data is None and not self.dropped(item) and not self.expired(item)
        ]


def summary(chains: Chains, rules: DataRules) -> tuple[Chain, ...]:
    """Return what the bundle holds of each chain."""
    return tuple(_summary(place, items, rules) for place, items in chains.items())


def _summary(place: Place, items: Sequence[Signed], rules: DataRules) -> Chain:
    absent = [item for item in items if item.data is None]
    dropped = sum(rules.dropped(item) for item in absent)
    return Chain(
        *place,
        items[0].said.seq,
        items[-1].said.seq,
        min((item.said.first_time for item in items if item.said.first_time is not None), default=None),
        max((item.said.last_time for item in items if item.said.last_time is not None), default=None),
        sum(item.said.events for item in items),
        len(items) - len(absent),
        dropped,
        sum(rules.expired(item) and not rules.dropped(item) for item in absent),
        tuple(loss for item in items for loss in item.said.loss),
    )
