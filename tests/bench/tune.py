"""How long a threshold takes to try on a fleet's month: rows {"name", "value", "unit"}, rule after rule.

The lake is that of `tune_lake`; with --keep it stays in a folder and is used again.
"""

from __future__ import annotations

import time
from pathlib import Path

from collector import analysis
from collector.rules import parameters, rule_folders
from collector.rules.rulebook import Book
from collector.settings import Detection
from collector.tuning import forecast, tune
from collector.tuning.tuning import Wanted
from tests.bench import tune_lake
from tests.bench.tune_lake import Made

TRIED = (
    ("upload-new-destination", "bytes"),
    ("inbound-download", "bytes"),
    ("ssh-bruteforce", "failures"),
    ("beacon", "least"),
)
_LIMITS = tune.Limits(1800.0, 1 << 30)
Row = dict[str, object]


def tried(made: Made, rule: str, name: str) -> list[Row]:
    """Try the default grid of a parameter on the whole month, as the API does."""
    known = tune_lake.known(made)
    site = analysis.site(Detection(), known)
    about = parameters.find(parameters.catalogue(rule_folders.tunable()), rule, name)
    current = site.parameters.get(rule, {}).get(name, about.default)
    if isinstance(current, str) or about.least is None or about.most is None:
        raise SystemExit(f"{rule}: {name} is no number")
    values = tuple(forecast.grid(current, None, int(about.least), int(about.most)))
    task = tune.Task(
        Wanted(rule, name, values), made.snapshot, made.since, made.since, made.until,
        site.parameters, Book(), known.organisation, _LIMITS,
    )  # fmt: skip
    began = time.monotonic()
    answer = tune.run(task, Path(made.snapshot).with_name("tune.lock"))
    return [
        {"name": f"{rule}_seconds", "value": round(time.monotonic() - began, 1), "unit": "s"},
        {"name": f"{rule}_shown", "value": answer.events, "unit": f"of {made.events} events"},
        {"name": f"{rule}_values", "value": len(values), "unit": "values"},
    ]


def rows(folder: Path, events: int, chosen: str | None) -> list[Row]:
    """Make the lake where it is not there, measure, and return the rows."""
    made = tune_lake.make(folder, events)
    each = [tried(made, rule, name) for rule, name in TRIED if chosen in (None, rule)]
    return [row for some in each for row in some]


def main() -> None:
    parser = tune_lake.options(__doc__)
    parser.add_argument("--rule", help="only this one")
    given = parser.parse_args()
    tune_lake.tell(given, lambda folder: rows(folder, given.events, given.rule))


if __name__ == "__main__":
    main()
