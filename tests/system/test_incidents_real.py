"""Three hosts' sealed batches through the real collector: one story, told, explained, suppressed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.ledger import segment
from evidence import entry
from evidence.entry import EntryType
from tests.collector.fleet import LAPTOP
from tests.collector.incidents.test_incident_replay import OUT, SENT, robbery
from tests.collector.station import Station
from tests.system.collector_at_work import ENVIRONMENT, PATIENCE, CollectorAtWork

PASSWORD = "correct horse battery"


class Analyst:
    """A collector with what three hosts sent, and somebody who is logged in to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.collector = CollectorAtWork(folder)
        with self.collector.config.open("a") as config:
            config.write('[detection]\nknown_destinations = ["127.0.0.0/8", "10.0.0.0/8"]\n')
        station = Station(self.collector.state)
        self._send(station)
        self.collector.serve()
        self._add_user()
        self.log_in()

    def _send(self, station: Station) -> None:
        """Put the hosts' batches into the ledger, db's first: what led to its session comes late."""
        keeper = station.keeper()
        try:
            for host in reversed(robbery()):
                sender = station.enrol(keeper, self.folder)
                batch = sender.batch([event for _, event in host.seen])
                raw = entry.encode(EntryType.BATCH, batch.envelope)
                keeper.ledger.append([segment.row(raw, time.time_ns(), batch.data)])
        finally:
            keeper.close()

    def _add_user(self) -> None:
        (self.folder / "password").write_text(PASSWORD)
        words = ("--role", "analyst", "--password-file", str(self.folder / "password"))
        self.collector.command("user", "add", "ann", *words)

    def log_in(self) -> None:
        password = self.folder / "password"
        url = f"https://localhost:{self.collector.port('console')}"
        anchors = self.collector.state / "ca" / "anchors.pem"
        self.vedette(
            "login", "--url", url, "--ca", str(anchors), "--user", "ann", "--password-file", str(password)
        )

    def vedette(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "client.cli", *words, "--config", str(self.folder / "login")],
            env=ENVIRONMENT,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def incidents(self, *words: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.vedette("incidents", "--json", *words).splitlines()]

    def until_incidents(self) -> list[dict[str, object]]:
        end = time.monotonic() + PATIENCE
        while not (found := self.incidents()) or len(found[0]["hosts"]) < 3:  # type: ignore[arg-type]
            assert time.monotonic() < end, found
            time.sleep(0.3)
        return found


@pytest.fixture(scope="module")
def analyst(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Analyst]:
    made = Analyst(tmp_path_factory.mktemp("incidents"))
    yield made
    made.collector.close()


def test_three_hosts_and_three_accounts_are_one_incident_of_one_person(analyst: Analyst) -> None:
    (incident,) = analyst.until_incidents()
    assert incident["person"] == "alice"
    assert incident["hosts"] == ["bastion", "app", "db"]
    assert incident["accounts"] == ["alice", "deploy", "postgres"]
    assert (incident["source"], incident["bytes_out"]) == (LAPTOP, SENT)
    story = analyst.vedette("show", str(incident["id"]))
    for part in ("alice", "bastion → app → db", "40.0 MB", OUT, "/etc/shadow", "T1003.008", "as postgres"):
        assert part in story


def test_any_alert_leads_to_it_and_is_explained(analyst: Analyst) -> None:
    (incident,) = analyst.until_incidents()
    alerts = [json.loads(line) for line in analyst.vedette("alerts", "--json").splitlines()]
    secret = next(alert for alert in alerts if alert["rule"] == "secret-read-then-out")
    assert secret["person"] == "alice", "by whose session it turned out to be"
    assert len([alert for alert in alerts if alert["rule"] == "person-risk"]) == 1, "once, not for each name"
    assert f"vedette show {incident['id']}" in analyst.vedette("show", secret["id"], "--no-evidence")
    told = json.loads(analyst.vedette("explain", secret["id"], "--json"))
    assert told["fires"]
    window = next(one for one in told["conditions"] if one["text"] == "window")
    assert window["value"].startswith("fires with ")


def test_a_suppression_hides_it_until_it_is_ended(analyst: Analyst) -> None:
    analyst.until_incidents()
    words = ("--person", "alice", "--reason", "a drill", "--expires", "1d", "--json")
    made = json.loads(analyst.vedette("suppress", "add", *words))["suppression"]
    assert analyst.incidents() == []
    assert len(analyst.incidents("--suppressed")) == 1
    assert analyst.vedette("alerts", "--json") == ""
    analyst.vedette("suppress", "end", made["id"])
    assert len(analyst.incidents()) == 1
    acts = analyst.vedette("search", "kind:collector.act", "--json")
    end = time.monotonic() + PATIENCE
    while "suppress.end" not in acts:
        assert time.monotonic() < end
        acts = analyst.vedette("search", "kind:collector.act", "--json")
    assert made["id"] in acts
