"""Ends of processes that more than one of their threads reports: the kernel tells each as a record. Pure."""

from __future__ import annotations

from collections import OrderedDict

from evidence.kinds.process import Exit

_REMEMBERED = 256


class RepeatedEnds:
    """The ends that other threads may still report again, the last few hundred of them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._open: OrderedDict[tuple[int, int | None], None] = OrderedDict()

    def __bool__(self) -> bool:
        """Return whether any end may be reported again."""
        return bool(self._open)

    def repeats(self, body: Exit, *, shared: bool) -> bool:
        """Return whether body was reported before; shared tells that other threads were ending with it.

        Only the last thread is alone, so what it reports is told again by none.
        """
        key = (body.pid, body.start)
        known = key in self._open
        if shared and not known:
            self._open[key] = None
            if len(self._open) > _REMEMBERED:
                self._open.popitem(last=False)
        elif known and not shared:
            del self._open[key]
        return known
