"""The logs sensor: lines of the files in `logs.files`, for rules that look into log messages.

There is one rung. It follows names, also such that are not there yet; a line that it writes to a file of its
own must come back.
"""

from __future__ import annotations

from pathlib import Path

from ..cursor_file import CursorFile
from ..feeds.logs import LogsFeed, Place
from ..sensor import Context, Feed, Rung, Sensor
from ..settings import Settings
from .login import local_zone

_PROBE = "logs.probe"
_LAG = 2.0
"""Seconds beyond the bulk lane's age after which a line is taken for sealed."""


def _open(context: Context) -> Feed:
    """Follow every configured name."""
    probe = context.state / _PROBE
    probe.unlink(missing_ok=True)
    probe.touch(mode=0o600)
    logs = context.settings.logs
    cursors = CursorFile(context.state / "logs.cursor", Place, context.settings.batch.bulk_age + _LAG)
    paths = tuple(dict.fromkeys(map(Path, logs.files)))
    return LogsFeed(paths, probe, cursors, most=logs.line_characters, zone=local_zone())


def _unused(settings: Settings) -> str | None:
    return None if settings.logs.files else "no log files are named in [logs] files"


SENSOR = Sensor("logs", (Rung("follow", _open),), unused=_unused)
