"""Fixtures: a collector that is set up, and its ingest application without the network."""

from __future__ import annotations

from pathlib import Path

import pytest

from .station import Station


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return Station(tmp_path / "state")
