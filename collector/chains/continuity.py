"""How whole a chain is: contiguous to N, holes, mismatched links, forks. Pure, and blind to arrival order.

Statements of one chain may come in any order. A link is judged as soon as both its ends are there. Only the
ends of each run of sequence numbers are remembered, so a long chain without holes costs nothing.
"""

from __future__ import annotations

import bisect

import msgspec


class ChainState(msgspec.Struct, frozen=True):
    """What is known of a chain.

    Everything up to contiguous is there; holes are (first, last) missing between what is there, in order.
    broken are sequence numbers whose prev is not their predecessor's hash, forked those seen with two hashes.
    """

    contiguous: int
    highest: int
    holes: tuple[tuple[int, int], ...]
    broken: tuple[int, ...]
    forked: tuple[int, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing and nothing contradicts."""
        return not (self.holes or self.broken or self.forked)


class Chain:
    """One lane of one epoch of an agent. Number 0 stands for the entry that brought the key."""

    def __init__(self, anchor: str) -> None:
        """Take the digest of the enrolment or rotation entry, which statement 1 quotes as prev."""
        self._starts = [0]
        self._ends = [0]
        self._digests = {0: anchor}
        self._prevs: dict[int, str] = {}
        self._broken: set[int] = set()
        self._forked: set[int] = set()

    @property
    def contiguous(self) -> int:
        """The number up to which nothing is missing."""
        return self._ends[0]

    @property
    def holes(self) -> int:
        """How many holes there are."""
        return len(self._starts) - 1

    def head(self) -> tuple[int, str]:
        """Return the highest number that is there, and its digest."""
        return self._ends[-1], self._digests[self._ends[-1]]

    def has(self, seq: int) -> bool:
        """Tell whether statement seq is there."""
        return self._ends[bisect.bisect_right(self._starts, seq) - 1] >= seq

    def opens_hole(self, seq: int) -> bool:
        """Tell whether adding statement seq would make one more hole."""
        at = bisect.bisect_right(self._starts, seq)
        touches_next = at < len(self._starts) and self._starts[at] == seq + 1
        return self._ends[at - 1] < seq - 1 and not touches_next

    def add(self, seq: int, digest: str, prev: str) -> None:
        """Add statement seq (from 1), which must not be there yet."""
        if self.has(seq):
            raise ValueError(f"statement {seq} is there already")
        at = bisect.bisect_right(self._starts, seq)
        joins_left = self._link_left(seq, prev, at)
        joins_right = self._link_right(seq, digest, at)
        if joins_left and joins_right:
            self._ends[at - 1] = self._ends.pop(at)
            del self._starts[at]
        elif joins_left:
            self._ends[at - 1] = seq
        elif joins_right:
            self._starts[at] = seq
        else:
            self._starts.insert(at, seq)
            self._ends.insert(at, seq)

    def _link_left(self, seq: int, prev: str, at: int) -> bool:
        if self._ends[at - 1] != seq - 1:
            self._prevs[seq] = prev
            return False
        if self._digests.pop(seq - 1) != prev:
            self._broken.add(seq)
        return True

    def _link_right(self, seq: int, digest: str, at: int) -> bool:
        if at == len(self._starts) or self._starts[at] != seq + 1:
            self._digests[seq] = digest
            return False
        if self._prevs.pop(seq + 1) != digest:
            self._broken.add(seq + 1)
        return True

    def fork(self, seq: int) -> None:
        """Note that a second statement seq with another hash was seen."""
        self._forked.add(seq)

    def state(self) -> ChainState:
        """Return what is known."""
        return ChainState(
            contiguous=self._ends[0],
            highest=self._ends[-1],
            holes=tuple(
                (end + 1, start - 1) for end, start in zip(self._ends, self._starts[1:], strict=False)
            ),
            broken=tuple(sorted(self._broken)),
            forked=tuple(sorted(self._forked)),
        )
