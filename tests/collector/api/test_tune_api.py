"""Tuning over real HTTP, on the story of the lake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import lake
from .live import Live, serve

RULE = "upload-new-destination"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with serve(tmp_path) as running:
        yield running


def tune(live: Live, **wanted: Any) -> dict[str, Any]:
    answer = live.post("/v1/tune", {"rule": RULE, "name": "bytes"} | wanted)
    told: dict[str, Any] = answer.json()
    return told


def test_values_are_compared_and_one_is_recommended(live: Live) -> None:
    told = tune(live, value=str(10 * lake.UPLOADED), grid=["1000"], since="2d", budget=0.2)
    assert [point["value"] for point in told["points"]] == [1000, 5_000_000, 10 * lake.UPLOADED]
    assert [sum(point["by_day"]) for point in told["points"]] == [1, 1, 0]
    assert (told["current"], told["days"], told["alerting"]) == (5_000_000, 1, True), "nothing is older"
    assert told["recommended"] == 10 * lake.UPLOADED
    assert (told["gained"]["count"], told["lost"]["count"]) == (0, 1)
    (lost,) = told["lost"]["first"]
    assert (lost["person"], lost["host"]) == ("alice", lake.HOST)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"name": "archivers"}, "archivers is no number"),
        ({"rule": "throttle", "name": "per_hour"}, "rule:"),
        ({"value": "many"}, "'many' is no integer"),
        ({"grid": ["1"] * 26}, "at most 25"),
        ({"since": "2d", "until": "3d"}, "since:"),
        ({"since": "yesterday"}, "no time"),
    ],
)
def test_what_cannot_be_tried_is_said(live: Live, wanted: dict[str, Any], said: str) -> None:
    answer = live.post("/v1/tune", {"rule": RULE, "name": "bytes"} | wanted)
    assert answer.status_code == 400
    assert said in answer.json()["message"]


def test_a_viewer_may_not(live: Live) -> None:
    assert live.post("/v1/tune", {"rule": RULE, "name": "bytes"}, "vera").status_code == 403
