"""Decisions on rules through a real collector: by command, in force for what comes, kept over a restart."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.collector.station import Station
from tests.system.collector_at_work import PATIENCE, CollectorAtWork
from tests.system.test_incidents_real import Analyst

EXAMPLE = Path(__file__).parents[2] / "docs/examples/psql_copy.py"
SITE = "site-psql-copy"
STAGED = "secret-read-then-out"
RAISED = "upload-new-destination"
RARE = 90_000_000
"""Bytes: twice what the story takes."""


class Decider(Analyst):
    """Somebody who is logged in before any host has sent anything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.collector = CollectorAtWork(folder)
        with self.collector.config.open("a") as config:
            config.write('[detection]\nknown_destinations = ["127.0.0.0/8", "10.0.0.0/8"]\n')
            config.write(f'python = "{self._detections(folder)}"\n')
        self._station = Station(self.collector.state)
        self.collector.serve()
        self._add_user()
        self.log_in()

    def _detections(self, folder: Path) -> Path:
        made = folder / "detections"
        made.mkdir(mode=0o755)
        return made

    def write_detection(self) -> None:
        """Write the site's own detection, and wait until it is in force."""
        (self.folder / "detections" / "psql_copy.py").write_text(EXAMPLE.read_text())
        end = time.monotonic() + PATIENCE
        while SITE not in self.vedette("rules", "--json"):
            assert time.monotonic() < end
            time.sleep(0.2)

    def receive(self) -> None:
        """Let the hosts' batches come while the collector rests, and start it again."""
        self.collector.stop()
        self._send(self._station)
        self.collector.serve()
        self.log_in()

    def decide(self, *words: str) -> None:
        """Decide on a rule, and wait until that is in force."""
        made = json.loads(self.vedette("rules", *words, "--reason", "a quiet month", "--json"))
        end = time.monotonic() + PATIENCE
        while not made["in_force"] and "a quiet month" not in json.dumps(self.rule(words[1])):
            assert time.monotonic() < end, made
            time.sleep(0.2)

    def alerts(self, *words: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.vedette("alerts", "--json", *words).splitlines()]

    def cost(self, name: str) -> dict[str, Any]:
        """Return what a rule cost, as soon as it has found something since the start."""
        end = time.monotonic() + PATIENCE
        while True:
            rows = json.loads(self.vedette("rules", "top", "--json"))["rows"]
            found = next((row for row in rows if row["rule"] == name and row["findings"]), None)
            if found is not None:
                return dict(found)
            assert time.monotonic() < end, rows
            time.sleep(0.2)

    def rule(self, name: str) -> dict[str, Any]:
        rows = [json.loads(line) for line in self.vedette("rules", "--json").splitlines()]
        return next(row for row in rows if row["id"] == name)


@pytest.fixture(scope="module")
def decider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Decider]:
    made = Decider(tmp_path_factory.mktemp("tuning"))
    yield made
    made.collector.close()


def test_what_was_decided_is_in_force_for_what_comes(decider: Decider) -> None:
    decider.decide("set", RAISED, f"bytes={RARE}")
    decider.decide("stage", STAGED)
    assert decider.rule(RAISED)["parameters"][0]["value"] == RARE
    assert decider.rule(STAGED)["state"] == "staged"

    decider.receive()
    decider.until_incidents()
    assert decider.rule(RAISED)["parameters"][0]["value"] == RARE, "decisions outlive a restart"
    live, staged = decider.alerts(), decider.alerts("--staged")
    assert {one["rule"] for one in staged} == {STAGED}
    assert live
    assert {STAGED, RAISED}.isdisjoint(one["rule"] for one in live)

    assert decider.cost(STAGED)["state"] == "staged", "what it costs is told"

    asked = json.loads(decider.vedette("tune", RAISED, "--set", "bytes=1000000", "--json"))
    assert asked["days"] == 1, "nothing is older"
    assert asked["current"] == RARE
    assert asked["gained"]["count"] == 1, "what would have been told without the decision"
    assert asked["gained"]["first"][0]["person"] == "alice"


def test_a_detection_of_the_site_comes_into_force_and_is_tuned_as_others_are(decider: Decider) -> None:
    decider.write_detection()
    assert decider.rule(SITE)["parameters"][0]["value"] == 200
    decider.decide("set", SITE, "longest=300")
    assert decider.rule(SITE)["parameters"][0]["value"] == 300
    tried = json.loads(decider.vedette("tune", SITE, "--set", "longest=100", "--json"))
    assert tried["current"] == 300
    decider.decide("rest", SITE)
    assert decider.rule(SITE)["state"] == "off"
