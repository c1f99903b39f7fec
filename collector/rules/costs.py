"""What rules cost: how often each was asked, what it found, how long it took; told in a file of its own.

Nothing of this is part of the engine's state or of what it decides: it is measured, and differs each time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from .. import files
from ..errors import StoreError

EVERY = 251
"""Of so many events one is measured: a prime, so that no rhythm of events is hit always, or never."""
RULES_LIMIT = 1000
"""Rules that are told of, those that cost most."""
_TITLE_LIMIT = 120


class RuleCost(msgspec.Struct, frozen=True):
    """A rule's cost since the pipeline started, times in ns.

    shown is the events it was asked about; of our own rules, shown and spent are estimated from every 251st.
    A Sigma rule is shown what neither memory nor prefilter answers. beside is time spent on sessions and on
    what did not happen. site: it is a detection of the site.
    """

    rule: str
    title: str
    sigma: bool
    shown: int
    findings: int
    spent: int
    beside: int = 0
    site: bool = False

    @property
    def total(self) -> int:
        """All time, ns."""
        return self.spent + self.beside


class ViewCost(msgspec.Struct, frozen=True):
    """A view of Sigma rules: how often it was asked, and answered from memory."""

    view: str
    rules: int
    asked: int
    remembered: int


class Measured(msgspec.Struct, frozen=True):
    """The cost of rules that cost anything, and of the views of Sigma rules."""

    rules: tuple[RuleCost, ...] = ()
    views: tuple[ViewCost, ...] = ()


class Costs(msgspec.Struct, frozen=True):
    """What was measured from since to until (UTC ns); spent is what all rules took, ns."""

    since: int
    until: int
    spent: int
    measured: Measured


class Spent(msgspec.Struct):
    """What one rule took: events it was measured on, the ns of those, the ns beside events, and findings."""

    sampled: int = 0
    spent: int = 0
    beside: int = 0
    findings: int = 0


class Meter:
    """Counts by rule; left is the events until the next one that is measured."""

    def __init__(self) -> None:
        self.left = EVERY
        self._of: dict[str, Spent] = {}

    def judged(self, rule: str, took: int) -> None:
        """Take the time (ns) a rule took for an event that stands for `EVERY`."""
        one = self.of(rule)
        one.sampled += 1
        one.spent += took

    def worked(self, rule: str, took: int) -> None:
        """Take the time (ns) a rule took for something that is no event; each such time is measured."""
        self.of(rule).beside += took

    def found(self, rule: str) -> None:
        """Take one finding of a rule."""
        self.of(rule).findings += 1

    def of(self, rule: str) -> Spent:
        """Return what is known of a rule; only rules that exist may be asked for."""
        one = self._of.get(rule)
        if one is None:
            one = self._of[rule] = Spent()
        return one

    def own(self, rules: Iterable[tuple[str, str, bool]]) -> Iterator[RuleCost]:
        """Yield the cost of rules that are none of Sigma, given by id, title and whether the site's."""
        for rule, title, site in rules:
            one = self._of.get(rule)
            if one is not None:
                yield RuleCost(
                    rule,
                    title[:_TITLE_LIMIT],
                    sigma=False,
                    shown=one.sampled * EVERY,
                    findings=one.findings,
                    spent=one.spent * EVERY,
                    beside=one.beside,
                    site=site,
                )

    def sigma(self, rule: str, title: str, looks: int, spent: int) -> RuleCost:
        """Return the cost of a Sigma rule, of which each look is measured elsewhere."""
        one = self._of.get(rule, Spent())
        short = title[:_TITLE_LIMIT]
        return RuleCost(rule, short, True, looks, one.findings, spent, one.beside)  # noqa: FBT003 - its order


def beside(snapshot: Path) -> Path:
    """Return where the costs are, given where the snapshot is."""
    return snapshot.with_name("costs.json")


def write(path: Path, measured: Measured, since: int, until: int) -> None:
    """Replace the file in one step, with the rules that cost most.

    Raises:
        OSError: it cannot be written.
    """
    most = heapq.nlargest(RULES_LIMIT, measured.rules, key=lambda one: (one.total, one.rule))
    spent = sum(one.total for one in measured.rules)
    told = Costs(since, until, spent, Measured(tuple(most), measured.views))
    files.write(path, msgspec.json.encode(told))


def read(path: Path) -> Costs:
    """Return what was measured last.

    Raises:
        StoreError: nothing was yet, or it cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Costs)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; is the collector running?") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: no costs of rules ({error})") from error
