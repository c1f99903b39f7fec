"""Lines of real auth logs against the events they must give; run this file to write those anew."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path

import msgspec
import pytest

from agent.decode.auth_log import parse_auth
from agent.decode.syslog import parse_line
from evidence.kind import Body

FOLDER = Path(__file__).parent / "auth_log"
NOW = 1_795_327_200_000_000_000  # 2026-11-22T06:00:00Z
LOGS = sorted(path.stem for path in FOLDER.glob("*.log"))


def events(name: str) -> list[str]:
    found = []
    for raw in (FOLDER / f"{name}.log").read_bytes().splitlines():
        line = parse_line(raw, NOW, UTC)
        assert line is not None, raw
        says = parse_auth(line)
        if isinstance(says, Body):
            found.append(json.dumps({"time": line.time, **msgspec.to_builtins(says)}))
        elif says is not None:
            found.append(f"{line.pid} {says!r}")
    return found


@pytest.mark.parametrize("name", LOGS)
def test_log_gives_the_expected_events(name: str) -> None:
    assert events(name) == (FOLDER / f"{name}.expected").read_text().splitlines()


if __name__ == "__main__":
    for log in LOGS:
        (FOLDER / f"{log}.expected").write_text("\n".join(events(log)) + "\n")
