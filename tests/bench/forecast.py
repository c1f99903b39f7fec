"""Whether tune's forecast holds when its value is applied: a month is looked at, the next one is lived.

For each seed a fleet is generated and folded with the collector's engine. On a day in the middle each rule's
parameter is tried on the month before, as `vedette tune` does; the value whose alerts are nearest to half of
today's is decided on for all rules, and the engine goes on. Rows: {"seed", "rule", "parameter", "value",
"mean", "low", "high", "happened", "within"}, alerts a day. Seeds of evaluation are not for this.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from collector.alert import Alert
from collector.analysis import Analysis
from collector.organisation.known import Known
from collector.pipeline.fold import Fold
from collector.record import Arrival, Origin, Person, Record, SessionRevision
from collector.rule import Rule
from collector.rules import parameters, rule_folders, rulebook
from collector.rules.routes import wants
from collector.rules.rulebook import Book
from collector.settings import Detection
from collector.tuning import forecast
from collector.tuning.forecast import Expected
from collector.tuning.history import Entry
from collector.tuning.tuning import Context, History, Wanted, replay
from evidence.event import Event, stamp
from evidence.kind import Body
from evidence.kinds.collector import Act
from range.fleet.hosts import DAY
from range.fleet.month import Month
from range.fleet.settings import Settings
from tests.bench import month as months
from tests.bench.insider import seeds

TRIED = (
    ("upload-new-destination", "bytes"),
    ("inbound-download", "bytes"),
    ("http-upload", "bytes"),
    ("terminal-dump", "bytes"),
    ("lateral-edge", "forget"),
    ("beacon", "least"),
    ("ssh-bruteforce", "failures"),
    ("low-and-slow", "bytes"),
)
LEARNING, MONTH = 15, 30
"""Days before the month that is looked at, in which rules get to know people; and of that month."""
_TICK = 600 * 10**9
_PARTS = 4 * 3600.0
Row = dict[str, object]


class Overheard(Analysis):
    """The engine, which also keeps what some rules are shown, as the lake would."""

    def __init__(self, rules: Sequence[Rule], detection: Detection, known: Known) -> None:
        super().__init__(detection, known)
        self.rules = rules
        self.shown: dict[str, list[Entry]] = {rule.id: [] for rule in rules}
        self.revisions: list[SessionRevision] = []
        self.keeps = True
        self._arrival: Arrival | None = None

    def arrived(self, arrivals: Sequence[Arrival], now: int) -> list[Alert]:
        """Keep the statement that events come with."""
        self._arrival = arrivals[-1] if arrivals else None
        return super().arrived(arrivals, now)

    def step(
        self, origin: Origin, events: Sequence[Event[Body]], now: int
    ) -> tuple[list[Person | None], list[Alert]]:
        """Keep the events that the rules are shown."""
        persons, alerts = super().step(origin, events, now)
        if self.keeps and self._arrival is not None:
            of_batch = (origin.agent, origin.epoch, origin.boot, origin.host, origin.index, origin.received)
            for rule in self.rules:
                records = tuple(
                    Record(*of_batch, event, person, origin.skew)
                    for event, person in zip(events, persons, strict=True)
                    if wants(rule, event.body, self.site)
                )
                if records:
                    self.shown[rule.id].append(Entry(self._arrival, records))
        return persons, alerts

    def sessions(self) -> list[SessionRevision]:
        """Keep whose sessions are."""
        revised = super().sessions()
        if self.keeps:
            self.revisions += revised
        return revised


@dataclass
class Lived:
    """A fleet whose first month was looked at: forecasts by rule, and what was told since; spans in days."""

    settings: Settings
    learning: int
    month: int
    forecasts: dict[str, tuple[str, Expected]] = field(default_factory=dict)
    told: dict[str, set[str]] = field(default_factory=dict)

    @property
    def middle(self) -> int:
        """When the month that is looked at ends, UTC ns."""
        return self.settings.begin + (self.learning + self.month) * DAY

    def rows(self) -> list[Row]:
        """Return what was forecast beside what happened."""
        made: list[Row] = []
        for rule, (name, one) in self.forecasts.items():
            happened = len(self.told.get(rule, ())) / self.month
            within = one.low <= happened <= one.high
            row: Row = {"seed": self.settings.seed, "rule": rule, "parameter": name, "value": one.value}
            row |= {"mean": round(one.mean, 2), "low": round(one.low, 2), "high": round(one.high, 2)}
            made.append(row | {"happened": round(happened, 2), "within": within})
        return made


def live(settings: Settings, learning: int = LEARNING, month: int = MONTH) -> list[Row]:
    """Fold the fleet's time, decide in the middle, and return what became of it; spans are in days."""
    rules = [rule for rule in rule_folders.tunable() if rule.id in dict(TRIED)]
    lived, fleet = Lived(settings, learning, month), Month(settings)
    with tempfile.TemporaryDirectory(prefix="vedette-forecast-") as folder:
        told = months.tell(fleet, Path(folder) / "organisation.d")
        engine = Overheard(rules, told.detection, months.known(told))
    fold = Fold(engine, _TICK)
    for item in months.items(fleet):
        if engine.keeps and (item.received or 0) >= lived.middle:
            engine.keeps = False
            _decide(engine, lived)
        for alert in fold.feed(item)[1]:
            if not engine.keeps and alert.revision == 0:
                lived.told.setdefault(alert.rule, set()).add(alert.entity)
    return lived.rows()


def _decide(engine: Overheard, lived: Lived) -> None:
    """Try each parameter on the month that ends, and put the chosen value in force."""
    since = lived.settings.begin + lived.learning * DAY
    for seq, rule in enumerate(engine.rules, start=1):
        name = dict(TRIED)[rule.id]
        chosen = _chosen(engine, rule, name, (since, lived.middle))
        if chosen is not None:
            lived.forecasts[rule.id] = (name, chosen)
            detail = {"id": f"s{seq}", "name": name, "value": msgspec.json.encode(chosen.value).decode()}
            act = Act(user="ann", verb=rulebook.SET, object=rule.id, detail=detail, reason="bench")
            event = stamp(act, seq=seq, time=lived.middle, mono=seq)
            engine.step(Origin("collector", 1, "boot", "collector", seq, lived.middle), [event], lived.middle)
    engine.shown = {}


def _chosen(engine: Overheard, rule: Rule, name: str, month: tuple[int, int]) -> Expected | None:
    """Return the value whose alerts were nearest to half of the current one's; None where there are none."""
    about = parameters.find(parameters.catalogue([rule]), rule.id, name)
    current = about.default
    if isinstance(current, str) or about.least is None or about.most is None:
        raise SystemExit(f"{rule.id}: {name} is no number")
    values = tuple(forecast.grid(current, None, about.least, about.most))
    context = Context(engine.site.parameters, Book(), engine.site.known)
    history = History(engine.shown[rule.id], engine.revisions)
    points = {
        one.value: forecast.expected(one.value, forecast.days([each.time for each in one.told], *month))
        for one in replay(rule, Wanted(rule.id, name, values), context, history, month[0])
    }
    half = points[current].mean / 2
    others = [one for one in points.values() if one.value != current and one.mean > 0]
    return min(others, key=lambda one: abs(one.mean - half), default=None)


def settings(seed: int) -> Settings:
    """Return a fleet's settings; what machines do comes in parts, as in the bench of insiders."""
    days = LEARNING + 2 * MONTH
    return Settings(seed=seed, days=days, machine=0.1, bulk_seconds=_PARTS, heartbeat_seconds=_PARTS)


def main() -> int:
    """Measure; 1 where fewer than nine of ten forecasts held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("/dev/stdout"), help="where rows go")
    parser.add_argument("--seeds", type=seeds, default=seeds("1,2,3"), help="tuning or numbers (1,2,3)")
    parser.add_argument("--jobs", type=int, default=1, help="fleets at once, each a process")
    options = parser.parse_args()
    rows: list[Row] = []
    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=1) as pool:
        for made in pool.imap(live, [settings(seed) for seed in options.seeds]):
            rows += made
            sys.stderr.write("".join(json.dumps(row) + "\n" for row in made))
    options.json.write_text("".join(json.dumps(row) + "\n" for row in rows))
    held = sum(bool(row["within"]) for row in rows)
    sys.stderr.write(f"{held} of {len(rows)} forecasts held\n")
    return 0 if held * 10 >= 9 * len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
