"""Drive the lanes into the spool: when a batch is due it goes to the keeper, what fails comes back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from evidence.kind import Lane

from ..sensor import Moment
from .keeper import Keeper
from .lanes import LANES, Lanes
from .last_run import LastRun
from .losses import LossBook
from .sealer import Outcome, Sealer, SpoolState
from .unsealed import Unsealed

MARGIN = 1_000_000_000
"""Nanoseconds by which a feed may tell of an event late; `covered` stays that far behind."""
_RECEIPTS = 2_000_000_000
_FIRST_PAUSE, _LAST_PAUSE = 1_000_000_000, 30_000_000_000
_STEP = 0.1


class Batching:
    """Both lanes, the losses to sign, and the one job that may be under way."""

    def __init__(
        self,
        lanes: Lanes,
        losses: LossBook,
        sealer: Sealer,
        keeper: Keeper[Outcome],
        last_run: LastRun,
        *,
        unsealed: Unsealed | None = None,
    ) -> None:
        self._lanes = lanes
        self._losses = losses
        self._sealer = sealer
        self._keeper = keeper
        self._last_run = last_run
        self._unsealed = unsealed
        self._not_before = 0
        self._pause = _FIRST_PAUSE
        self._receipts_at = 0
        self.problem: str | None = None
        """Why the last batch was not stored; None while all is well."""
        self.spool: SpoolState = sealer.state()
        self.last_stored: int | None = None
        self.last_receipt: int | None = None

    def fileno(self) -> int:
        """Return the descriptor that is readable when a job is done."""
        return self._keeper.fileno()

    def drain(self) -> None:
        """Empty that descriptor."""
        self._keeper.drain()

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return not self._keeper.idle

    def stuck(self, now: Moment) -> float:
        """Return for how many seconds the job at hand has been running."""
        since = self._keeper.since
        return 0.0 if since is None else (now.mono - since) / 1e9

    def next_at(self) -> int | None:
        """Return when `pump` has to be called next (monotonic ns); None when a descriptor will tell."""
        if not self._keeper.idle:
            return None
        due = self._lanes.next_due()
        return None if due is None else max(due, self._not_before)

    def pump(self, now: Moment) -> None:
        """Take the result of a finished job, and start the next one that is due."""
        outcome = self._keeper.result()
        if outcome is not None:
            self._settle(outcome, now)
        if not self._keeper.idle or now.mono < self._not_before:
            return
        lane = self._lanes.due(now.mono)
        if lane is not None:
            self._store(lane, now)
        elif self.spool.waiting and now.mono >= self._receipts_at:
            self._receipts_at = now.mono + _RECEIPTS
            self._keeper.give(lambda: self._sealer.take_receipts(now), now.mono)

    def finish(self, clock: Callable[[], Moment], seconds: float) -> bool:
        """Seal all that waits, and say farewell; False when that was not possible within seconds."""
        done = self.flush(clock, seconds) and self._sealer.farewell()
        if self._unsealed is not None:
            self._unsealed.close(done=done)
        return done

    def flush(self, clock: Callable[[], Moment], seconds: float) -> bool:
        """Seal all that waits, due or not; False when that was not possible within seconds."""
        end = clock().mono + int(seconds * 1e9)
        while (now := clock()).mono < end:
            outcome = self._keeper.result(_STEP) if not self._keeper.idle else None
            if outcome is not None:
                self._settle(outcome, now)
                if outcome.error is not None:
                    return False
            if self._keeper.idle:
                lane = next((lane for lane in LANES if len(self._lanes.queue(lane))), None)
                if lane is None:
                    return True
                self._store(lane, now)
        return False

    def close(self) -> None:
        """End the keeper."""
        self._keeper.close()

    def _store(self, lane: Lane, now: Moment) -> None:
        batch = self._lanes.queue(lane).take()
        waiting = self._lanes.waiting_since()
        covered = (now.time if waiting is None else min(waiting, now.time)) - MARGIN
        losses = self._losses.take()
        if losses and self._unsealed is not None:
            self._unsealed.sealing(lane, self.spool.heads[lane] + 1, self._losses.waiting())

        def job() -> Outcome:
            outcome = self._sealer.store(lane, batch, losses, now)
            if outcome.error is None:
                with suppress(OSError):  # the next start then calls a longer time blind
                    self._last_run.settle(covered)
            return outcome

        self._keeper.give(job, now.mono)

    def _settle(self, outcome: Outcome, now: Moment) -> None:
        if outcome.spool is not None:
            self.spool = outcome.spool
        if outcome.receipts:
            self.last_receipt = now.time
        if outcome.stored:
            self.last_stored = now.time
        self.problem = outcome.error
        if outcome.error is None:
            self._pause, self._not_before = _FIRST_PAUSE, 0
            if outcome.stored and self._unsealed is not None:
                self._unsealed.settle(self._lanes.oldest())
            return
        if outcome.lane is not None:
            self._lanes.queue(outcome.lane).restore(outcome.unstored)
            self._losses.sign(outcome.losses)
        self._not_before = now.mono + self._pause
        self._pause = min(self._pause * 2, _LAST_PAUSE)
