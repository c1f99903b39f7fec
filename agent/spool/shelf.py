"""The segments in `out/`, by lane in order: what they take, which are finished, which data goes first."""

from __future__ import annotations

from collections.abc import Iterable

from evidence.kind import Lane
from evidence.statement import Dropped

from .disk import Disk
from .heads import LANES
from .progress import RANGES, Progress
from .segment import ABSENT, ACKED, LOST, Segment


class Shelf:
    """Watch's view of every segment."""

    def __init__(self, disk: Disk, segments: dict[Lane, list[Segment]]) -> None:
        """Take the segments found at start."""
        self._disk = disk
        self._segments = segments

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(part.bytes for part in self._all())

    @property
    def waiting(self) -> int:
        """Statements without a verified receipt."""
        return sum(part.waiting for part in self._all())

    def add(self, part: Segment) -> None:
        """Put a new segment at the end of its lane."""
        self._segments[part.lane].append(part)

    def find(self, lane: Lane, seq: int) -> Segment | None:
        """Return the segment that holds a statement."""
        return next((part for part in self._segments[lane] if part.first <= seq <= part.last), None)

    def oldest_with_data(self, keep: Segment) -> Segment | None:
        """Return whose data goes next to make room in keep: bulk before priority, oldest first, not keep's.

        Bulk never displaces priority.
        """
        for lane in reversed(LANES) if keep.lane == "priority" else (keep.lane,):
            for part in self._segments[lane]:
                if part.data_bytes and part is not keep:
                    return part
        return None

    def drop_data(self, part: Segment) -> tuple[Dropped, ...]:
        """Delete a segment's data and return which unacknowledged statements lost theirs.

        Raises:
            OSError: it cannot be deleted.
        """
        self._disk.remove(part.data_path)
        part.data_bytes = 0
        runs = tuple(part.runs(0, ACKED | LOST | ABSENT))
        for seq in range(part.first, part.last + 1):
            part.mark(seq, LOST)
        return tuple(Dropped(part.lane, first, last, "spool_full") for first, last in runs)

    def without_data(self) -> tuple[Dropped, ...]:
        """Return the unacknowledged statements whose data is not there."""
        return tuple(
            Dropped(part.lane, first, last, "missing")
            for part in self._all()
            for first, last in part.runs(LOST, LOST | ACKED | ABSENT)
        )

    def finish(self, lane: Lane, growing: Segment | None) -> int | None:
        """Give up the data of acknowledged segments but the growing one.

        Returns:
            The new floor: the last statement before which all are acknowledged; None if it did not move.

        Raises:
            OSError: the disk does not obey; what is left is tried again with the next call.
        """
        for part in self._segments[lane]:
            if not part.done and part is not growing and part.settled:
                self._disk.rename(part.statements_path, part.done_path)
                self._disk.remove(part.data_path)
                part.done, part.data_bytes = True, 0
        floor = None
        for part in self._segments[lane]:
            if not part.done:
                break
            floor = part.last
        return floor

    def delete_to(self, lane: Lane, floor: int) -> None:
        """Delete the finished segments up to floor.

        Raises:
            OSError: the disk does not obey; a restart deletes them.
        """
        gone = [part for part in self._segments[lane] if part.last <= floor]
        self._segments[lane] = [part for part in self._segments[lane] if part.last > floor]
        for part in gone:
            self._disk.remove(part.done_path)

    def acked(self, lane: Lane) -> tuple[tuple[int, int], ...]:
        """Return the runs of acknowledged statements."""
        runs = [run for part in self._segments[lane] if any(part.flags) for run in part.runs(ACKED, ACKED)]
        return tuple(runs[:RANGES])

    def restore(self, told: Progress) -> None:
        """Mark what was acknowledged before a restart."""
        for part in self._all():
            for first, last in told.acked(part.lane).beyond:
                for seq in range(max(first, part.first), min(last, part.last) + 1):
                    part.mark(seq, ACKED)

    def _all(self) -> Iterable[Segment]:
        return (part for lane in LANES for part in self._segments[lane])
