"""Triage over real HTTP: of an alert and of a whole incident, shown with them and taken in by tune."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import lake
from .live import Live, serve


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with serve(tmp_path) as running:
        yield running


def test_an_alert_is_taken_closed_and_shown_so(live: Live) -> None:
    path = f"/v1/triage/{lake.ALERT[:8]}"
    taken = live.post(path, {"state": "acknowledged", "assignee": "ann"}).json()
    assert (taken["standing"]["state"], taken["findings"]) == ("acknowledged", 1)
    closed = live.post(path, {"label": "benign", "note": "agreed"}).json()
    assert (closed["standing"]["state"], closed["standing"]["label"]) == ("closed", "benign")
    (row,) = live.get("/v1/alerts").json()["rows"]
    assert (row["triage"]["label"], row["triage"]["assignee"]) == ("benign", "ann")
    shown = live.get(path, user="vera").json()
    assert [change.get("note") for change in shown["changes"]] == [None, "agreed"]
    verbs = [act.verb for act in live.acts.kept]
    assert verbs.count("triage.note") == 2


def test_an_incident_is_all_of_its_findings_and_labels_reach_tune(live: Live) -> None:
    (incident,) = live.get("/v1/incidents").json()["rows"]
    told = live.post(f"/v1/triage/{incident['id']}", {"label": "true"}).json()
    assert told["standing"]["label"] == "true"
    wanted = {"rule": "upload-new-destination", "name": "bytes", "value": str(1 << 40), "since": "2d"}
    assert live.post("/v1/tune", wanted).json()["lost"]["count"] == 1


@pytest.mark.parametrize(
    "body", [{}, {"label": "true", "state": "open"}, {"state": "gone"}, {"label": "bad"}, {"note": ""}]
)
def test_what_makes_no_sense_is_refused(live: Live, body: dict[str, str]) -> None:
    assert live.post(f"/v1/triage/{lake.ALERT}", body).status_code == 400


def test_only_analysts_note_and_only_what_is_there(live: Live) -> None:
    assert live.post(f"/v1/triage/{lake.ALERT}", {"note": "x"}, "vera").status_code == 403
    assert live.post("/v1/triage/ffffffff", {"note": "x"}).status_code == 404
