from __future__ import annotations

from pathlib import Path

import pytest

from agent.supervision import ending
from agent.supervision.signals import HAND_OVER


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "stopped by SIGTERM"),
        ({ending.MANAGER: "running\n"}, "stopped by SIGTERM"),
        ({ending.MANAGER: "stopping\n"}, "shutdown of the host"),
        ({ending.PACKAGE: "removed\n", ending.MANAGER: "running\n"}, "package removed"),
        ({ending.PACKAGE: "\x1b[2J\n"}, "package [2J"),
        ({ending.PACKAGE: "x" * 1000}, "package " + "x" * 64),
    ],
)
def test_a_farewell_tells_a_removal_a_shutdown_and_a_stop_apart(
    files: dict[str, str], expected: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert ending.reason(tmp_path, "SIGTERM") == expected


def test_nothing_is_said_before_a_signal_and_a_hand_over_is_none(tmp_path: Path) -> None:
    (tmp_path / ending.PACKAGE).write_text("removed")
    assert ending.reason(tmp_path, None) is None
    assert ending.reason(tmp_path, HAND_OVER) == HAND_OVER


def test_a_start_forgets_what_was_left_for_an_earlier_end(tmp_path: Path) -> None:
    (tmp_path / ending.PACKAGE).write_text("removed")
    ending.forget(tmp_path)
    assert ending.reason(tmp_path, "SIGINT") == "stopped by SIGINT"
