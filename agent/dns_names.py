"""Which name an address came from, as the answers of the last while told. Pure and bounded.

Where no answer told, the name that a TLS client asked for stands for its one connection.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

_LIMIT: Final = 16_384


class DnsNames:
    """Names by address, and by connection; the longest unlearnt are forgotten beyond the limit."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._names: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._flows: OrderedDict[int, str] = OrderedDict()

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

    def learn_flow(self, flow: int, name: str) -> None:
        """Note whom the client of a connection asked for, by the number its events carry."""
        self._flows[flow] = name
        self._flows.move_to_end(flow)
        if len(self._flows) > self._limit:
            self._flows.popitem(last=False)

    def of_flow(self, flow: int) -> str | None:
        """Return whom the client of a connection asked for, None where it did not say."""
        return self._flows.get(flow)
