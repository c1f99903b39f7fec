"""Which name an address came from, as the answers of the last while told. Pure and bounded."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

_LIMIT: Final = 16_384


class DnsNames:
    """Names by address; the longest unlearnt are forgotten beyond the limit."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._names: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many addresses have a name."""
        return len(self._names)

    def learn(self, ip: str, name: str, until: int) -> None:
        """Note that an answer gave ip for name; it counts until then (CLOCK_BOOTTIME ns)."""
        self._names[ip] = (name, until)
        self._names.move_to_end(ip)
        if len(self._names) > self._limit:
            self._names.popitem(last=False)

    def find(self, ip: str, mono: int) -> str | None:
        """Return the name that ip was last given for, None when no answer told or it is too long ago."""
        name, until = self._names.get(ip, (None, 0))
        return name if mono <= until else None
