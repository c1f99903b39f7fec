"""What persons move in a day, beside their own other days and beside those who do the same work. Pure.

Both look at days before the one that is judged, whole ones: so a verdict hangs little on what comes late.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from ..bounded import remember
from ..organisation.known import Known
from .baselines import Daily, robust_z

PEER_DAYS = 30
"""Days before, of which those of peers count."""
_PEERS = 3
"""Fewer persons are no group to be compared with."""
_PEOPLE_LIMIT = 20_000
Usual = Literal["usual", "as peers", "unusual", "unknown"]
"""as peers: more than on their own other days, but what others of the role or group move."""


class PersonDays(msgspec.Struct):
    """Bytes a day, by person's name."""

    people: dict[str, Daily] = {}

    def add(self, person: str, day: int, amount: int) -> None:
        """Add to what a person moved on a day."""
        daily = self.people.get(person)
        if daily is None:
            daily = Daily()
            remember(self.people, person, daily, _PEOPLE_LIMIT)
        daily.add(day, amount)

    def judge(self, person: str, day: int, least: float, known: Known) -> Usual:
        """Return whether the sum of a person's day is unusual: its robust z (thousandths) is at least least.

        unknown: neither they nor enough others of their role or groups have a history.
        """
        daily = self.people.get(person, Daily())
        total = daily.total(day, day)
        own = robust_z(total, daily.history(day))
        if own is not None and own < least:
            return "usual"
        beside = robust_z(total, self._of_peers(known.peers(person), day))
        if beside is None:
            return "unknown" if own is None else "unusual"
        if beside >= least:
            return "unusual"
        return "usual" if own is None else "as peers"

    def _of_peers(self, peers: Iterable[str], day: int) -> list[int]:
        """Return the sums of the days before day of all peers; none where they are too few."""
        found = [
            sums
            for peer in peers
            if (daily := self.people.get(peer)) is not None
            and (sums := [daily.days[one] for one in sorted(daily.days) if day - PEER_DAYS <= one < day])
        ]
        return [one for sums in found for one in sums] if len(found) >= _PEERS else []
