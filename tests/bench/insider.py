"""How many insiders of generated months are found at so many alerts a day, beside a one-line baseline.

Rows: {"seed", "alerts_per_day", "recall", "baseline_recall", "false_alerts_per_day"}. What was missed, and
the worst false alerts by rule, go to standard error. Seeds 1 to 60 are for tuning rules and their order,
``tuning`` is the first ten of them; 201 to 210 for evaluation only: what was changed after a look at those
has no evaluation any more. 101 to 110 were looked at, and are spent.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from range.fleet.settings import Settings
from tests.bench import insider_play
from tests.bench.insider_play import Judged, Played, Shown

BUDGETS = (1, 5, 20)
TUNING = range(1, 11)
EVALUATION = range(201, 211)
BASELINE_LIMIT = 0.6
"""Recall of the baseline at five a day above which a generated fleet is too easy to tell anything."""
_WORDS = 12
_PARTS = 4 * 3600.0


@dataclass(frozen=True)
class Outcome:
    """One seed's rows, and what there is to say about it."""

    rows: tuple[dict[str, float], ...]
    said: tuple[str, ...]


def measure(settings: Settings, keep: Path | None = None) -> Outcome:
    """Play one month, and judge it at each budget."""
    began = time.process_time()
    played = insider_play.play(settings, keep)
    theirs = insider_play.by_baseline(played)
    insiders = played.month.insiders
    rows: list[dict[str, float]] = []
    said: list[str] = []
    for budget in BUDGETS:
        ours = insider_play.by_incidents(played, budget)
        judged, simple = (insider_play.judge(lists, insiders, budget) for lists in (ours, theirs))
        rows.append(
            {
                "seed": settings.seed,
                "alerts_per_day": budget,
                "recall": round(judged.recall, 3),
                "baseline_recall": round(simple.recall, 3),
                "false_alerts_per_day": round(len(judged.false) / judged.days, 2),
            }
        )
        if budget == 5:
            said += _explained(played, ours, judged, budget)
    took = time.process_time() - began
    events = f"{played.month.events:,} events" if played.month.events else "what was kept"
    said.append(f"seed {settings.seed}: {events} in {took:.0f} s of CPU")
    return Outcome(tuple(rows), tuple(said))


def _explained(played: Played, lists: dict[int, list[Shown]], judged: Judged, budget: int) -> Iterator[str]:
    seed = played.month.settings.seed
    for one in judged.missed:
        lines = insider_play.why_missed(played, lists, one, budget)
        yield f"seed {seed}: missed at {budget} a day: " + "\n".join(lines[:_WORDS])
    counts = Counter(each.rules[0] if each.rules else "risk alone" for each in judged.false)
    worst = ", ".join(f"{rule} {count}" for rule, count in counts.most_common())
    yield f"seed {seed}: false at {budget} a day: {worst}"
    for each in sorted(judged.false, key=lambda one: one.score, reverse=True)[:3]:
        yield f"    {each.score} {', '.join(each.rules)}: {each.summary}"


def settings(seed: int, machine: float) -> Settings:
    """Return a month's settings; what machines do says little of people, so it is less and comes in parts."""
    return Settings(seed=seed, machine=machine, bulk_seconds=_PARTS, heartbeat_seconds=_PARTS)


def seeds(text: str) -> Sequence[int]:
    """Return the seeds of ``tuning``, ``evaluation``, or numbers with commas."""
    named = {"tuning": TUNING, "evaluation": EVALUATION}
    return named[text] if text in named else [int(one) for one in text.split(",")]


def mean(rows: Sequence[dict[str, float]], budget: int, name: str) -> float:
    """Return the mean of a column over all seeds at a budget."""
    values = [row[name] for row in rows if row["alerts_per_day"] == budget]
    return sum(values) / len(values)


def main() -> int:
    """Measure; 1 where the baseline does so well that the months are too easy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", default=Path("/dev/stdout"), help="where rows go"
    )
    parser.add_argument(
        "--seeds", type=seeds, default=EVALUATION, help="tuning, evaluation (default) or numbers"
    )
    parser.add_argument("--machine", type=float, default=0.1, help="how much machines do (0.1)")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="what months told is kept, and taken, here"
    )
    parser.add_argument("--jobs", type=int, default=1, help="months at once, each a process")
    options = parser.parse_args()
    asked = [settings(seed, options.machine) for seed in options.seeds]
    rows: list[dict[str, float]] = []
    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=1) as pool:
        for outcome in pool.imap(functools.partial(measure, keep=options.keep), asked):
            rows += outcome.rows
            sys.stderr.write("\n".join(outcome.said) + "\n")
            for row in outcome.rows:
                sys.stderr.write(json.dumps(row) + "\n")
    options.json.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for budget in BUDGETS:
        shown = ", ".join(
            f"{name} {mean(rows, budget, name):.2f}"
            for name in ("recall", "baseline_recall", "false_alerts_per_day")
        )
        sys.stderr.write(f"{budget} a day: {shown}\n")
    if mean(rows, 5, "baseline_recall") > BASELINE_LIMIT:
        sys.stderr.write(f"the baseline finds more than {BASELINE_LIMIT}: these months are too easy\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
