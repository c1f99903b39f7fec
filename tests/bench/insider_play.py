"""A generated month as an analyst sees it: what comes first each day, by incidents and by a baseline."""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from collector.alert import BY, Alert
from collector.analysis import Analysis
from collector.incident import Incident, rank
from collector.incidents import incidents, ranking
from collector.incidents.ranking import Past, Prevalence
from collector.measures.baselines import day_of
from collector.organisation.known import Known
from collector.pipeline.fold import Fold, Folded
from collector.verdicts.triage import Finding
from evidence import codec, frame
from evidence.kinds.connection import Close
from evidence.seal import RAW_LIMIT
from range.fleet.hosts import DAY
from range.fleet.insider import Insider, is_outside
from range.fleet.month import Month
from range.fleet.settings import Settings
from tests.bench import month as months

_TICK = 600 * 10**9
"""Nanoseconds: a list for a day can wait ten minutes for what did not happen."""
_HISTORY = 5
"""Days of a person that the baseline wants before it judges one."""
_BIT = 1000
_kept = msgspec.msgpack.Decoder(tuple[dict[int, list[Alert]], dict[str, dict[int, int]]])
_FLOOR = 0.05
"""Least median absolute deviation of log1p(bytes), for that of few days may be 0."""


@dataclass(frozen=True)
class Shown:
    """What a day's list has at one place: whom it is about, why it is there, and the rules behind it."""

    person: str | None
    score: tuple[float, ...]
    rules: tuple[str, ...]
    summary: str


@dataclass
class Played:
    """A month that was folded: what was told by day, and what each person sent to outside by day."""

    month: Month
    known: Known
    alerts: dict[int, list[Alert]] = field(default_factory=dict)
    sent: dict[str, dict[int, int]] = field(default_factory=dict)

    @property
    def days(self) -> range:
        """The days that are judged: those on which somebody may act."""
        return range(self.month.settings.first_act, self.month.settings.days)


def play(settings: Settings, keep: Path | None = None) -> Played:
    """Make a month and fold it with the collector's engine, entry by entry.

    What folds told is looked for in keep, and kept there: who changes the order alone needs no new one.
    """
    month = Month(settings)
    kept = keep / f"{settings.seed}-{settings.machine}.msgpack" if keep is not None else None
    with tempfile.TemporaryDirectory(prefix="vedette-fleet-") as folder:
        told = months.tell(month, Path(folder) / "organisation.d")
        played = Played(month, months.known(told))
        if kept is not None and kept.exists():
            played.alerts, played.sent = _kept.decode(kept.read_bytes())
            return played
        fold = Fold(Analysis(told.detection, played.known), _TICK)
    for item in months.items(played.month):
        folded, alerts = fold.feed(item)
        for alert in alerts:
            played.alerts.setdefault((alert.detected - settings.begin) // DAY, []).append(alert)
        if folded is not None and item.data is not None:
            _count(played, folded, item.data)
    if kept is not None:
        kept.write_bytes(msgspec.msgpack.encode((played.alerts, played.sent)))
    return played


def _count(played: Played, folded: Folded, data: bytes) -> None:
    """Add what a batch tells of bytes that went to outside to its persons' days."""
    if all(person is None for person in folded.persons):
        return
    events = codec.decode(frame.decompress(data, RAW_LIMIT)).events
    for event, person in zip(events, folded.persons, strict=True):
        body = getattr(event, "body", None)
        if (
            person is None
            or not isinstance(body, Close)
            or not body.bytes_out
            or not is_outside(body.remote.ip)
        ):
            continue
        day = (event.time - played.month.settings.begin) // DAY
        days = played.sent.setdefault(person.name, {})
        days[day] = days.get(day, 0) + body.bytes_out


def by_incidents(played: Played, budget: int) -> dict[int, list[Shown]]:
    """Return for each day the incidents of which something was told that day, as the collector ranks them.

    What was told until that day, and what the operator told of people's roles, is all that it ranks them by.
    Whoever reads acknowledges the first of each day, budget of them: what is found of the same again does not
    take the place of what is new.
    """
    found: dict[int, list[Shown]] = {}
    so_far: list[Alert] = []
    read: set[Finding] = set()
    for day in range(played.month.settings.days):
        fresh = played.alerts.get(day, [])
        so_far += fresh
        if day in played.days:
            new = {(one.rule, one.entity) for one in fresh}
            recent = [one for one in so_far if one.detected >= played.month.settings.begin + (day - 3) * DAY]
            newest = {one.id for one in recent if (one.rule, one.entity) in new}
            made = [one for one in incidents.assemble(recent) if _is_fresh(one, newest, read)]
            prevalence = Prevalence(map(_past, (one for one in so_far if one.person)), played.known.peers)
            ordered = ranking.ranked(made, prevalence, read)
            found[day] = [_shown(one) for one in ordered]
            read |= {(entry.rule, entry.entity) for one in ordered[:budget] for entry in one.timeline}
    return found


def _is_fresh(one: Incident, newest: set[str], read: set[Finding]) -> bool:
    return any(
        entry.alert in newest
        and rank(entry.severity) >= rank("medium")
        and (entry.rule, entry.entity) not in read
        for entry in one.timeline
    )


def _past(one: Alert) -> Past:
    name = one.person.name if one.person is not None else ""
    return Past(one.rule, name, day_of(one.time), one.bytes_out or 0, one.details.get(BY, ""))


def _shown(one: Incident) -> Shown:
    alerting = [entry for entry in one.timeline if rank(entry.severity) >= rank("medium")]
    rules = tuple(dict.fromkeys(f"{entry.rule} ({entry.severity})" for entry in alerting))
    return Shown(one.person, (one.surprise / _BIT,), rules, one.summary)


def by_baseline(played: Played) -> dict[int, list[Shown]]:
    """Return for each day the people by the robust z of their bytes out beside their own earlier days."""
    found: dict[int, list[Shown]] = {}
    for day in played.days:
        scored = [(z, name) for name, days in played.sent.items() if (z := robust_z(days, day)) is not None]
        ordered = sorted(scored, reverse=True)
        found[day] = [Shown(name, (z,), ("robust z",), f"z {z:.1f}") for z, name in ordered]
    return found


def robust_z(days: dict[int, int], day: int) -> float | None:
    """Return 0.6745 (x - median) / MAD on log1p(bytes) of a day beside the days before it."""
    before = [math.log1p(count) for one, count in days.items() if one < day]
    if day not in days or len(before) < _HISTORY:
        return None
    middle = statistics.median(before)
    spread = statistics.median(abs(one - middle) for one in before)
    return 0.6745 * (math.log1p(days[day]) - middle) / max(spread, _FLOOR)


@dataclass(frozen=True)
class Judged:
    """Lists at a budget, judged: who was found or missed, and what was shown of who took nothing."""

    found: tuple[Insider, ...]
    missed: tuple[Insider, ...]
    false: tuple[Shown, ...]
    days: int

    @property
    def recall(self) -> float:
        """Part of the insiders that were found."""
        return len(self.found) / max(1, len(self.found) + len(self.missed))


def judge(lists: dict[int, list[Shown]], insiders: Sequence[Insider], budget: int) -> Judged:
    """Judge the first of each day's list: an insider is found on a day of the act or the next."""
    shown = {day: ordered[:budget] for day, ordered in lists.items()}
    found = [one for one in insiders if any(_names(shown, one))]
    true = {(day, one.person) for one in insiders for day in _when(one)}
    false = [each for day, ordered in shown.items() for each in ordered if (day, each.person) not in true]
    missed = tuple(one for one in insiders if one not in found)
    return Judged(tuple(found), missed, tuple(false), len(lists))


def _when(one: Insider) -> list[int]:
    return sorted({day + later for day in one.days for later in (0, 1)})


def _names(shown: dict[int, list[Shown]], one: Insider) -> Iterator[bool]:
    return (one.person == each.person for day in _when(one) for each in shown.get(day, ()))


def why_missed(played: Played, lists: dict[int, list[Shown]], one: Insider, budget: int) -> list[str]:
    """Return in words why an insider was not among the first of a day's list."""
    p50, p75, p95 = one.own
    kept = "quiet" if one.quiet else "loud"
    what = f"{one.person} ({one.role}): {one.technique}, {kept}, {one.bytes:,} bytes on {len(one.days)} days"
    lines = [f"{what}; own days p50 {p50:,} p75 {p75:,} p95 {p95:,}"]
    for day in _when(one):
        fired = sorted(
            {
                f"{alert.rule} ({alert.severity})"
                for alert in played.alerts.get(day, ())
                if alert.person is not None and alert.person.name == one.person
            }
        )
        ordered = lists.get(day, [])
        place = next((at for at, each in enumerate(ordered, 1) if each.person == one.person), None)
        cut = ordered[budget - 1].score if len(ordered) >= budget else None
        if fired or day in one.days[:2]:
            where = (
                f"place {place} of {len(ordered)}, the last shown had {cut}" if place else "in no incident"
            )
            lines.append(f"    day {day}: {', '.join(fired) or 'no rule fired'}; {where}")
    return lines
