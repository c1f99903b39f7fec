"""Where each statement stands in the ledger, and how whole its chain is: a projection of entries. Pure."""

from __future__ import annotations

from array import array

from evidence.kind import Lane
from evidence.statement import Statement

from .continuity import Chain, ChainState
from .ranges import Ranges
from .registry import Epoch

_PAGE = 256
_NONE = (1 << 64) - 1

HOLES = 4096
"""Holes a chain may have before statements that would make one more are put off."""
FORKS = 256
"""Second statements kept of one lane; they prove the point long before."""


class LeafIndex:
    """Sequence number → leaf index, 8 bytes each, in pages so that a far number costs one page."""

    def __init__(self) -> None:
        self._pages: dict[int, array[int]] = {}

    def __getitem__(self, seq: int) -> int | None:
        page = self._pages.get(seq // _PAGE)
        found = _NONE if page is None else page[seq % _PAGE]
        return None if found == _NONE else found

    def __setitem__(self, seq: int, index: int) -> None:
        page = self._pages.get(seq // _PAGE)
        if page is None:
            page = self._pages[seq // _PAGE] = array("Q", [_NONE]) * _PAGE
        page[seq % _PAGE] = index


class LaneState:
    """One lane of one epoch of an agent."""

    def __init__(self, anchor: str) -> None:
        self.chain = Chain(anchor)
        self.leaves = LeafIndex()
        self.dropped = Ranges()
        self.forks: set[str] = set()


class Chains:
    """All lanes of all agents."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, int, Lane], LaneState] = {}
        self._last_event: dict[tuple[str, int], int] = {}

    def accept(self, index: int, said: Statement, digest: str, epoch: Epoch) -> None:
        """Take the statement whose entry is at index; its place must be free."""
        lane = self._lane(said, epoch)
        lane.chain.add(said.seq, digest, said.prev)
        lane.leaves[said.seq] = index
        for gone in said.dropped:
            self.lane(epoch, gone.lane).dropped.add(gone.first, gone.last)
        if said.last_seq is not None:
            key = (said.agent, said.epoch)
            self._last_event[key] = max(said.last_seq, self._last_event.get(key, 0))

    def fork(self, said: Statement, digest: str, epoch: Epoch) -> None:
        """Take a second statement with the place of an accepted one."""
        lane = self._lane(said, epoch)
        lane.chain.fork(said.seq)
        lane.forks.add(digest)

    def keeps_fork(self, said: Statement, digest: str, epoch: Epoch) -> bool:
        """Tell whether a second statement is to be kept: it is new, and not one of very many."""
        forks = self._lane(said, epoch).forks
        return digest not in forks and len(forks) < FORKS

    def find(self, said: Statement, epoch: Epoch) -> int | None:
        """Return the leaf index of the statement with this agent, epoch, lane and seq."""
        return self._lane(said, epoch).leaves[said.seq]

    def is_dropped(self, said: Statement, epoch: Epoch) -> bool:
        """Tell whether an accepted statement of the same epoch says that this one's data was given up."""
        return said.seq in self._lane(said, epoch).dropped

    def has_too_many_holes(self, said: Statement, epoch: Epoch) -> bool:
        """Tell whether this statement would make a hole more than a chain may have."""
        chain = self._lane(said, epoch).chain
        return chain.holes >= HOLES and chain.opens_hole(said.seq)

    def last_event(self, epoch: Epoch) -> int:
        """Return the highest event number that an epoch's statements name, 0 if none."""
        return self._last_event.get((epoch.agent, epoch.epoch), 0)

    def head(self, epoch: Epoch, lane: Lane) -> tuple[int, str]:
        """Return number and digest of a lane's last statement; number 0 and the anchor before the first."""
        return self.lane(epoch, lane).chain.head()

    def states(self) -> dict[tuple[str, int, Lane], ChainState]:
        """Return how whole each lane is."""
        return {key: lane.chain.state() for key, lane in self._lanes.items()}

    def _lane(self, said: Statement, epoch: Epoch) -> LaneState:
        return self.lane(epoch, said.lane)

    def lane(self, epoch: Epoch, name: Lane) -> LaneState:
        """Return a lane's state, a fresh one for a lane that nothing came from yet."""
        key = (epoch.agent, epoch.epoch, name)
        found = self._lanes.get(key)
        if found is None:
            found = self._lanes[key] = LaneState(epoch.anchor)
        return found
