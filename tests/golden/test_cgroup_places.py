"""Where a process runs, from /proc/PID/cgroup as runtimes and service managers leave it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from agent import cgroup

IDS = {"C1": "a1" * 32, "C2": "0b" * 32, "C3": "f" * 64}
PLACES: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "cgroup/places.toml").read_text())[
    "place"
]


def whole(text: str) -> str:
    for short, identifier in IDS.items():
        text = text.replace(short, identifier)
    return text


@pytest.mark.parametrize("golden", PLACES, ids=lambda golden: golden["source"])
def test_where_a_process_runs(golden: dict[str, Any]) -> None:
    container = golden.get("container")
    expected = cgroup.Place(
        None if container is None else whole(container),
        golden.get("runtime"),
        golden.get("pod"),
        golden.get("unit"),
    )
    path = cgroup.path_of(whole(golden["text"]))
    assert cgroup.place(path or "/") == expected


def test_no_source_stands_twice() -> None:
    assert len({golden["source"] for golden in PLACES}) == len(PLACES) >= 60
