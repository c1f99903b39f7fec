"""When watch may shed bulk events: it has used more CPU than it may, or a ring fills faster than it is read.

Pure: the caller tells the time and the CPU time used. CPU is a credit. It grows by the share of a core that
watch may use, up to ten seconds' worth, and what was used is taken out. With none left the governor closes,
with half of it back it opens again, five seconds later at the earliest: a burst goes through, load below the
share never sheds, and nothing flutters.
"""

from __future__ import annotations

OVER_BUDGET, RING_FILLING = "over the CPU budget", "ring filling"

_WINDOW = 10
"""Seconds of its share that watch may use at once."""
_CLOSE, _OPEN = 0.75, 0.5
"""How full a ring is when it counts as filling, and when no more: what it still takes costs nothing."""
_HEARD = 2_000_000_000
"""Nanoseconds for which what a ring told counts: its feed may be closed since."""
_OF_QUOTA = 0.8
"""Of what the unit may use, the share that is watch's: ship and the kernel's own work need the rest."""


def budget(share: float, quota: float | None) -> float:
    """Return the share of a core that watch may use, given the setting and the unit's quota in cores."""
    return share if quota is None else min(share, quota * _OF_QUOTA)


class Governor:
    """Closed while there is a `cause` to shed."""

    def __init__(self, share: float) -> None:
        """Allow a share of a core."""
        self._share = share
        self._burst = share * _WINDOW * 1e9
        self._credit = self._burst
        self._mono = self._cpu = -1
        self._over = self._filling = False
        self._fill = 1.0
        self._heard = 0
        self.cause: str | None = None
        """Why bulk events are shed now; None while all pass. It is asked for each event."""

    def measure(self, mono: int, cpu: int) -> None:
        """Take the time and the CPU time used so far (ns); what was used before the first call is free."""
        if self._mono < 0:
            self._mono, self._cpu = mono, cpu
        earned = (mono - self._mono) * self._share - (cpu - self._cpu)
        self._credit = max(0.0, min(self._burst, self._credit + earned))
        self._mono, self._cpu = mono, cpu
        self._over = self._credit < self._burst / 2 if self._over else not self._credit
        if mono - self._heard > _HEARD:
            self._filling = False
        self._judge()

    def ring(self, fill: float) -> None:
        """Take how full a ring is after it was read, from 0 to 1.

        What a kill left in it grows less with each read, and is no reason to shed.
        """
        grows = fill > self._fill
        self._fill, self._heard = fill, self._mono
        self._filling = fill > _OPEN if self._filling else fill >= _CLOSE and grows
        self._judge()

    def _judge(self) -> None:
        if self._over:
            self.cause = OVER_BUDGET
        else:
            self.cause = RING_FILLING if self._filling else None
