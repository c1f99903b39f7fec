"""agent.certificate: tells once for each threshold that the client certificate runs out unrenewed.

Ship holds the certificate and leaves in its state how long it is good; watch tells it and remembers that.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from evidence.kinds.agent import Certificate

from ..sealing.last_run import LastCertificate, LastRun
from ..spool.inbox import ShipState


class CertificateNotice:
    """What was told of the certificate, in this run or an earlier one."""

    def __init__(self, ship: Callable[[], ShipState | None], last_run: LastRun) -> None:
        """Take how to read ship's state, and where to remember what was told."""
        self._ship = ship
        self._last_run = last_run
        self._told = last_run.certificate()

    def due(self) -> tuple[Certificate, ...]:
        """Return the warning that has not been told yet, if there is one."""
        state = self._ship()
        if state is None or state.certificate_days is None or state.certificate_until is None:
            return ()
        now = LastCertificate(state.certificate_until, state.certificate_days)
        if self._told is not None and self._told.until == now.until and self._told.days <= now.days:
            return ()
        self._told = now
        with suppress(OSError):  # then it is told again after the next start
            self._last_run.keep_certificate(now)
        return (Certificate(days=now.days, until=now.until),)
