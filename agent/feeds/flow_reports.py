"""When an open flow reports its bytes: at 1, 10, 100 MB…, and each minute in which they changed."""

from __future__ import annotations

from collections import OrderedDict

_FACTOR = 10
_KEPT = 65_536


class FlowReports:
    """The last report of each open flow, the longest silent ones forgotten beyond a bound."""

    def __init__(self, first_bytes: int, seconds: float) -> None:
        """Report when a flow's bytes reach first_bytes, ten times that …, and every so many seconds."""
        self._first = first_bytes
        self._interval = int(seconds * 1e9)
        self._flows: OrderedDict[int, tuple[int, int]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many flows are open."""
        return len(self._flows)

    def opened(self, flow: int, mono: int) -> None:
        """Begin to follow a flow."""
        self._flows.setdefault(flow, (mono, 0))
        if len(self._flows) > _KEPT:
            self._flows.popitem(last=False)

    def last(self, flow: int) -> tuple[int, int] | None:
        """Return when a flow was last reported, and its bytes then."""
        return self._flows.get(flow)

    def resume(self, flow: int, last: tuple[int, int]) -> None:
        """Go on with a flow that a former run has reported."""
        self._flows[flow] = last

    def closed(self, flow: int) -> None:
        """Forget a flow."""
        self._flows.pop(flow, None)

    def due(self, flow: int, total: int, mono: int) -> bool:
        """Return whether a flow that has moved total bytes by now is to be reported, and note that it was."""
        if flow not in self._flows:
            self.opened(flow, mono)
        last, reported = self._flows[flow]
        if total == reported:
            return False
        if mono - last < self._interval and self._step(total) == self._step(reported):
            return False
        self._note(flow, total, mono)
        return True

    def rested(self, flow: int, total: int, mono: int) -> bool:
        """Return whether a flow that rests at total bytes is to be reported, and note that it was."""
        if flow not in self._flows or total - self._flows[flow][1] < self._first:
            return False
        self._note(flow, total, mono)
        return True

    def _note(self, flow: int, total: int, mono: int) -> None:
        self._flows[flow] = (mono, total)
        self._flows.move_to_end(flow)

    def _step(self, total: int) -> int:
        """Return how many of the sizes first, 10 first, 100 first … total has reached."""
        step, size = 0, self._first
        while total >= size:
            step, size = step + 1, size * _FACTOR
        return step
