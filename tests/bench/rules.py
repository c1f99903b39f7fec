"""What the engine costs an event, and each rule of it: rows {"name", "value", "unit"} in microseconds of CPU.

Events of the workload go through `engine.step` with nothing beside (step_us), then again with attribution
and each rule timed by itself (rule_us: of an event, whether it was asked about it or not). Each is the least
of several runs, for the machine may be shared. The timer itself adds some 0.2 us to each call.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from collector.analysis import Analysis
from collector.organisation.known import Known, NetworkLabel, Organisation
from collector.record import Origin
from collector.rule import Finding
from collector.rules.costs import ViewCost
from collector.settings import Detection
from evidence.event import Event
from evidence.kind import Body
from evidence.kinds import BY_NAME
from tests.bench import sigma_rules, workload

EVENTS = 1000
_ATTRIBUTION = "attribution"
_BOOT = "6e1b5d3a-7f52-4a43-8a6e-0b7f0f5f3c11"
OWN = Organisation(networks=(NetworkLabel("10.0.0.0/8", use="own"),))
"""What an operator of this fleet has told: without it, every connection is a leak to somewhere unknown."""
Batch = tuple[Origin, list[Event[Body]]]


def batches(count: int) -> list[Batch]:
    """Return as many batches, each of another host."""
    made: list[Batch] = []
    for number in range(count):
        events = workload.events(EVENTS, number)
        now = events[-1].time + 1_000_000_000
        origin = Origin(f"{number:032x}", 1, _BOOT, f"web{number}", number, now)
        made.append((origin, events))
    return made


def engine(told: bool = True, sigma: bool = False) -> Analysis:
    """Return a fresh engine; told says whether the operator told of his own networks."""
    ruleset = sigma_rules.ruleset() if sigma else None
    return Analysis(Detection(), Known(OWN) if told else None, ruleset)


def sigma_cost(count: int, runs: int) -> list[dict[str, object]]:
    """Return the rows of what Sigma rules cost beside the others, and how often memory answered."""
    load = batches(count)
    without, beside, remembered = float("inf"), float("inf"), 0.0
    for _ in range(runs):
        without = min(without, feed(engine(), load)[0])
        analysis = engine(sigma=True)
        beside = min(beside, feed(analysis, load)[0])
        remembered = hit_rate(analysis.measured().views)
    return [
        {"name": "sigma_rules", "value": len(sigma_rules.ruleset().rules), "unit": "rules"},
        {
            "name": "sigma_us_per_event",
            "value": round((beside - without) / count / EVENTS * 1e6, 2),
            "unit": "us",
        },
        {"name": "sigma_memo_hit_rate", "value": round(remembered, 3), "unit": "of events"},
    ]


def hit_rate(views: Sequence[ViewCost]) -> float:
    """Return the part of the events with Sigma rules whose kind's memory answered at once."""
    kinds = [one for one in views if one.view in BY_NAME]
    return sum(one.remembered for one in kinds) / max(1, sum(one.asked for one in kinds))


def feed(analysis: Analysis, load: Sequence[Batch]) -> tuple[float, int]:
    """Return the seconds of CPU that the engine took, and how many alerts it gave."""
    began, alerts = time.thread_time(), 0
    for origin, events in load:
        alerts += len(analysis.step(origin, events, origin.received)[1])
        analysis.sessions()
    return time.thread_time() - began, alerts


def timed(analysis: Analysis, spent: dict[str, list[float]]) -> None:
    """Have each rule of the engine measured in spent: seconds, and calls."""

    def around(rule: str, ask: Callable[..., Any]) -> Callable[..., Any]:
        one, clock = spent.setdefault(rule, [0.0, 0]), time.perf_counter

        def asked(record: Any, site: Any) -> Any:
            began = clock()
            try:
                found = ask(record, site)
                return found if found is None or isinstance(found, Finding) else tuple(found)
            finally:
                one[0] += clock() - began
                one[1] += 1

        return asked

    whose = analysis._attribution  # noqa: SLF001 - measured is the engine as it is
    spent[_ATTRIBUTION], attribute = [0.0, 0], whose.attribute

    def attributed(origin: Origin, event: Event[Body]) -> Any:
        began = time.perf_counter()
        found = attribute(origin, event)
        spent[_ATTRIBUTION][0] += time.perf_counter() - began
        spent[_ATTRIBUTION][1] += 1
        return found

    whose.attribute = attributed  # type: ignore[method-assign]
    routes = analysis._by_kind  # noqa: SLF001
    for kind, rules in routes.items():
        routes[kind] = tuple((rule, around(rule.id, ask)) for rule, ask in rules)


def rows(count: int, runs: int, told: bool = True) -> list[dict[str, object]]:
    """Measure and return the rows."""
    load = batches(count)
    events = count * EVENTS
    whole, alerts = min(feed(engine(told), load) for _ in range(runs))
    least: dict[str, tuple[float, float]] = {}
    for _ in range(runs):
        spent: dict[str, list[float]] = {}
        analysis = engine(told)
        timed(analysis, spent)
        feed(analysis, load)
        for rule, (seconds, calls) in spent.items():
            least[rule] = min(least.get(rule, (seconds, calls)), (seconds, calls))
    made: list[dict[str, object]] = [
        {"name": "step_us", "value": round(whole / events * 1e6, 2), "unit": "us/event"},
        {"name": "alerts", "value": alerts, "unit": f"of {events} events"},
    ]
    return made + [
        {
            "name": f"rule_us_{rule}",
            "value": round(seconds / events * 1e6, 3),
            "unit": "us/event",
            "calls": calls,
            "us_a_call": round(seconds / max(1, calls) * 1e6, 1),
        }
        for rule, (seconds, calls) in sorted(least.items(), key=lambda one: -one[1][0])
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=60, help="of a thousand events, each of another host")
    parser.add_argument("--runs", type=int, default=3, help="the least of as many counts")
    parser.add_argument("--untold", action="store_true", help="no networks are known as own")
    parser.add_argument("--sigma", action="store_true", help="what Sigma rules cost beside these, alone")
    options = parser.parse_args()
    if options.sigma:
        found = sigma_cost(options.batches, options.runs)
    else:
        found = rows(options.batches, options.runs, told=not options.untold)
    sys.stdout.write("".join(json.dumps(row) + "\n" for row in found))


if __name__ == "__main__":
    main()
