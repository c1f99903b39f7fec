"""The contract between the pipeline's shell and the pure core that attributes, detects and correlates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from evidence.event import Event
from evidence.kind import Body
from evidence.kinds.collector import Act

from .alert import Alert
from .organisation.known import Known
from .record import Arrival, Origin, Person, SessionRevision
from .rule import Detection
from .rules.costs import Measured
from .rules.rulebook import Book
from .sigma.ruleset import Ruleset


class Engine(Protocol):
    """Attribution, detections and correlations as one deterministic fold over the ledger's events.

    The same batches in the same order give the same alerts. Clock comes in as an argument.
    """

    def step(
        self, origin: Origin, events: Sequence[Event[Body]], now: int
    ) -> tuple[list[Person | None], list[Alert]]:
        """Return who is behind each event of one batch, and the alerts that arose; now is UTC ns."""
        ...

    def sessions(self) -> list[SessionRevision]:
        """Return what has become known of sessions since this was asked last. Called after each batch."""
        ...

    def arrived(self, arrivals: Sequence[Arrival], now: int) -> list[Alert]:
        """Return the alerts that chains themselves give: forks, equivocation. Called before step."""
        ...

    def tick(self, now: int) -> list[Alert]:
        """Return alerts that arise because something did not happen by now."""
        ...

    def learn(self, known: Known) -> None:
        """Take what the operator tells from now on; nothing that was remembered is lost."""
        ...

    def decided(self) -> Book:
        """Return what people decided of rules, as far as the ledger was read."""
        ...

    def broken(self, now: int) -> list[Act]:
        """Return acts to be recorded by now (UTC ns): rules that broke their budget, or failed."""
        ...

    def measured(self) -> Measured:
        """Return what rules cost since the start; no part of the state."""
        ...

    def enforce(self, ruleset: Ruleset) -> None:
        """Take the Sigma rules that are in force from now on; of those that stay nothing is forgotten."""
        ...

    def adopt(self, site_rules: Sequence[Detection]) -> None:
        """Take the site's own detections that are in force from now on."""
        ...

    def dump(self) -> bytes:
        """Return the whole state, to be stored with a ledger position."""
        ...

    def load(self, state: bytes) -> None:
        """Take a state that `dump` gave."""
        ...
