"""Ship: post what waits in the spool, oldest first, priority before bulk, and hand the receipts to watch.

A backlog of bulk drains at a bounded rate, and priority always goes first, so a host that comes back does
not replay itself into overload (R8). Nothing here can forge or delete: watch signs, verifies and deletes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from evidence import seal
from evidence.kind import Lane

from ..layout import Layout
from ..spool import inbox
from ..spool.disk import Disk
from ..spool.inbox import Delivered, ShipState
from ..spool.outgoing import Outgoing, Parcel, Place
from . import delivery
from .delivery import Decision, Outcome, Reply

IDLE = 5.0
"""Longest sleep, seconds; a new batch wakes ship at once."""
RESEND = 60.0
"""Seconds after which a delivery that watch did not accept is sent again."""
LEFT_UNREAD = 10.0
"""Seconds that a new run waits for watch to read what the former one delivered."""
INBOX_FULL = 4000
"""Deliveries that watch has not read; ship waits rather than pile up more."""
BACKLOG = 16
"""Bulk statements behind the head that count as a backlog."""
BACKLOG_RATE = 200.0
"""Bulk statements of a backlog sent in a second."""
_ASIDE_UNPROMPTED = 300.0
_REFRESH = 0.2


class Post(Protocol):
    """Sends a request body to the ingest listener; known is the size the receipt proves consistency from."""

    def __call__(self, body: bytes, known: int) -> Reply:
        """Return what came back; never raises."""
        ...


class Aside(msgspec.Struct, frozen=True):
    """A statement that waits: until when, how often it was tried, how many others were delivered before."""

    place: Place
    until: float
    tries: int
    delivered: int
    outcome: Outcome


class Shipper:
    """The state of shipping. One call of `step` posts at most one batch; times are monotonic seconds."""

    def __init__(
        self, layout: Layout, outgoing: Outgoing, disk: Disk, post: Post, chance: Callable[[], float]
    ) -> None:
        """Take the spool's two sides, the network, and a source of numbers in [0, 1)."""
        self._inbox, self._outgoing, self._disk = layout.inbox, outgoing, disk
        self._post, self._chance = post, chance
        self._sent: dict[tuple[Lane, int], tuple[Place, float]] = {}
        self._aside: dict[tuple[Lane, int], Aside] = {}
        self._failures = 0
        self._blocked_until = 0.0
        self._bulk_at = 0.0
        self._refresh_at = 0.0
        pending = inbox.pending(disk, self._inbox)
        self._number = int(pending[-1].partition(".")[0], 16) + 1 if pending else 1
        self._known: int | None = None
        self._left_until: float | None = None
        self.state = ShipState(0)

    def step(self, now: float) -> float:
        """Post the next batch, if there is one and it may go; return the seconds to sleep, 0 to go on."""
        if now < self._blocked_until:
            return min(IDLE, self._blocked_until - now)
        waiting = inbox.pending(self._disk, self._inbox)
        if len(waiting) >= INBOX_FULL:
            return 1.0
        if waiting and self._known is None and self._waits_for_watch(now):
            return _REFRESH
        if not waiting or now >= self._refresh_at:
            self._refresh_at = now + _REFRESH
            self._outgoing.refresh()
            self._forget_acked()
        if not waiting:
            seen = self._outgoing.progress.seen
            self._known = seen.size if seen else 0
        place, wait = self._choose(now, settled=not waiting)
        if place is None:
            return wait
        parcel = self._outgoing.open(place)
        if parcel is None:
            self._done(place)
            return 0.0
        reply = self._post(seal.request_body(parcel.envelope, parcel.data), self._known or 0)
        return self._after(parcel, reply, now)

    def look_again(self) -> None:
        """Let the next step see what watch has sealed by now; unread receipts are waited for no longer."""
        self._refresh_at = 0.0
        self._left_until = 0.0

    def _waits_for_watch(self, now: float) -> bool:
        """Tell whether receipts of a former run wait unread: until then no proof would fit what watch knows.

        A watch that does not come does not hold up the delivery for long.
        """
        if self._left_until is None:
            self._left_until = now + LEFT_UNREAD
        return now < self._left_until

    def _choose(self, now: float, *, settled: bool) -> tuple[Place | None, float]:
        """Return what goes next, or how long nothing does."""
        place = self._outgoing.peek("priority")
        if place is not None:
            return place, 0.0
        again = self._again(now, settled=settled)
        if again is not None:
            return again, 0.0
        place = self._outgoing.peek("bulk")
        if place is None:
            return None, IDLE
        if now < self._bulk_at:
            return None, self._bulk_at - now
        if self._outgoing.backlog("bulk") > BACKLOG:
            self._bulk_at = max(self._bulk_at, now - 0.1) + 1 / BACKLOG_RATE
        return place, 0.0

    def _again(self, now: float, *, settled: bool) -> Place | None:
        """Return a statement that was put aside and is due, or one whose receipt watch did not accept.

        A resend waits until watch has read every receipt: only then is it known where a proof must start.
        """
        for held in self._aside.values():
            prompted = self.state.delivered > held.delivered or held.outcome is Outcome.REJECTED
            if now >= held.until + (0.0 if prompted else _ASIDE_UNPROMPTED):
                return held.place
        if settled and not self._outgoing.progress.frozen:
            for place, sent in self._sent.values():
                if now >= sent + RESEND:
                    return place
        return None

    def _after(self, parcel: Parcel, reply: Reply, now: float) -> float:
        place = parcel.place
        key = (place.lane, place.seq)
        tries = self._aside[key].tries if key in self._aside else 0
        decision = delivery.decide(reply, self._failures, self._chance(), tries)
        self._note(decision, reply)
        if parcel.unreadable:
            self._hand_over(Delivered(place.lane, place.seq, unreadable=True))
        if decision.outcome is Outcome.DELIVERED:
            return self._delivered(place, reply, now)
        if decision.outcome in (Outcome.RETRY, Outcome.STOPPED):
            self._failures += 1
            self._blocked_until = now + decision.delay
            return min(IDLE, decision.delay)
        self._failures = 0
        self._done(place)
        until = now + decision.delay
        self._aside[key] = Aside(place, until, tries + 1, self.state.delivered, decision.outcome)
        return 0.0

    def _delivered(self, place: Place, reply: Reply, now: float) -> float:
        self._failures = 0
        try:
            handed = self._hand_over(Delivered(place.lane, place.seq, reply.body.decode("utf-8", "replace")))
        except OSError as error:
            self.state = msgspec.structs.replace(self.state, problem=f"spool: {error}")
            self._blocked_until = now + delivery.backoff(4, self._chance())
            return 1.0
        self._done(place)
        if handed:
            self._sent[place.lane, place.seq] = (place, now)
            self._known = _tree_size(reply.body) or self._known
        self.state = msgspec.structs.replace(self.state, delivered=self.state.delivered + 1)
        return 0.0

    def _done(self, place: Place) -> None:
        """Go on behind place in its lane, and forget that it was put aside or sent before."""
        key = (place.lane, place.seq)
        known = self._aside.pop(key, None) or self._sent.pop(key, None)
        if known is None and self._outgoing.peek(place.lane) == place:
            self._outgoing.take(place.lane)

    def _hand_over(self, delivered: Delivered) -> bool:
        """Write a delivery for watch; False for a receipt that is too long to be one."""
        raw = inbox.encode(delivered)
        if len(raw) > inbox.FILE_LIMIT:
            return False
        self._disk.replace(self._inbox / inbox.file_name(self._number), raw, durable=False)
        self._number += 1
        return True

    def _forget_acked(self) -> None:
        progress = self._outgoing.progress
        for kept in (self._sent, self._aside):
            for lane, seq in [key for key in kept if progress.acked(key[0]).covers(key[1])]:
                del kept[lane, seq]

    def _note(self, decision: Decision, reply: Reply) -> None:
        refused = dict(self.state.refused)
        if decision.code is not None:
            refused[decision.code] = refused.get(decision.code, 0) + 1
        keep = decision.outcome in (Outcome.DELIVERED, Outcome.ASIDE)
        self.state = msgspec.structs.replace(
            self.state,
            refused=refused,
            problem=None if keep else decision.problem,
            stopped=decision.outcome is Outcome.STOPPED,
            aside=len(self._aside),
            clock_offset=reply.clock_offset if reply.clock_offset is not None else self.state.clock_offset,
        )


def _tree_size(raw: bytes) -> int | None:
    """Return the tree size a receipt's note shows; unverified, only to ask the next proof from there."""
    try:
        note = msgspec.json.decode(raw)["checkpoint"]
        return int(note.split("\n")[1])
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError, ValueError):
        return None
