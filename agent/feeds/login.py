"""Logins from one source of log lines and from the records of wtmp and btmp."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from evidence.kind import Body
from evidence.kinds.agent import Loss, Sensor, SensorHealth

from ..cursor_file import CursorFile
from ..decode.syslog import Line
from ..decode.utmp import parse_records
from ..kernel.follow import Cursor, FollowedFile, Notices
from ..kernel.log_writers import LogWriters
from ..kernel.login_identity import read_identity
from ..logins import log_shrinks
from ..logins.log_source import JournalLines, LogFiles, LogSource
from ..logins.login_table import LoginTable
from ..sensor import Moment, Observed, Processes
from .tally import Tally

TAG = "vedette-agent"
"""The program in whose name the self-test's line is written."""

SELF_TEST = "self-test "

_NAME = "login"
_IDLE, _SETTLING, _BUSY = 10.0, 1.0, 0.3
_SUGGESTIONS = {
    "rotated away": "keep one rotated log uncompressed (logrotate's delaycompress)",
    "line without syslog header": "let the syslog daemon write its traditional or RFC 3339 format",
}


class Place(msgspec.Struct, frozen=True):
    """Where the feed stands in all it reads."""

    files: dict[str, Cursor] = {}
    journal: str | None = None


Probe = Callable[[str], None]
"""Causes the line `self-test TOKEN` to be written where the feed reads."""


class LoginFeed:
    """Lines of one source and the records of wtmp and btmp, joined by a LoginTable."""

    def __init__(
        self,
        rung: str,
        source: LogSource,
        *,
        records: Mapping[str, FollowedFile],
        notices: Notices,
        cursors: CursorFile[Place],
        probe: Probe,
        watched: frozenset[Path],
        processes: Processes,
    ) -> None:
        """Take what is read, and how; of watched files it is told that they lost what they had."""
        self._rung = rung
        self._watched, self._processes = watched, processes
        self._writers = LogWriters(watched)
        self._source = source
        self._records = records
        self._notices = notices
        self._cursors = cursors
        self._probe = probe
        self._machine = os.uname().machine
        self._table = LoginTable(read_identity)
        self._token: str | None = None
        self._tally = Tally(_NAME, _SUGGESTIONS)
        self.period: float | None = _BUSY

    def filenos(self) -> tuple[int, ...]:
        """Return the inotify instance's descriptor and the source's own."""
        return (self._notices.fileno(), *self._source.filenos())

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return the logins since the last call; the cursor behind them is saved by a later call."""
        self._notices.drain()
        events: list[Observed] = []
        for line in self._source.lines(now):
            if line.program == TAG:
                events += self._self_test(line)
            else:
                events += self._table.take(line, now.mono)
        for name, file in self._records.items():
            for raw in file.read(now.mono):
                for record in parse_records(raw, self._machine):
                    self._table.take_record(name, record, now.mono)
        events += self._table.due(now.mono)
        events += self._shrunk(now)
        try:
            self._cursors.offer(self._place(), now.mono)
        except OSError:
            self._tally.add("cursor not saved")
        is_busy = self._table.holding or self._source.doubting
        is_busy = is_busy or any(file.doubting for file in self._records.values())
        self.period = _BUSY if is_busy else _SETTLING if self._cursors.pending else _IDLE
        return events

    def rest(self, now: Moment) -> Iterable[Observed]:
        """Return what became of files that were to be looked at again."""
        self._source.settle(now)
        for file in self._records.values():
            file.settle(now.mono)
        return self._shrunk(now)

    def losses(self, now: Moment) -> Iterable[Loss]:
        """Return what could not be read since the last call, by cause."""
        for cause, count in self._source.losses().items():
            self._tally.add(cause, count)
        for name, file in self._records.items():
            for cause, count in file.losses().items():
                self._tally.add(f"{name} {cause}", count)
        return self._tally.take(now)

    def trigger(self) -> Callable[[Body], bool]:
        """Write a line where this feed reads; the body that tells of it is an `agent.sensor` of this rung."""
        token = secrets.token_hex(16)
        self._token = token
        with suppress(OSError):  # then nothing comes, and the ladder goes on
            self._probe(token)
        return lambda body: isinstance(body, Sensor) and any(token in (t.reason or "") for t in body.tried)

    def close(self) -> None:
        """Close everything; save the cursor unless an event is held or the self-test is out."""
        if not self._table.holding and self._token is None:
            with suppress(OSError):  # then the last lines are read again
                self._cursors.close()
        for file in self._records.values():
            file.close()
        self._source.close()
        self._writers.close()
        self._notices.close()

    def _shrunk(self, now: Moment) -> list[Observed]:
        """Return what is to be told of files that lost what they had."""
        self._writers.drain(now.mono)
        found = self._source.shrinks(now)
        for file in self._records.values():
            for shrink in file.shrinks():
                records = parse_records(b"".join(shrink.lost), self._machine)
                found.append((shrink, [record.time for record in records if record.time]))
        events = [
            log_shrinks.told(shrink, times, self._writers, self._processes, now.mono)
            for shrink, times in found
            if shrink.path in self._watched
        ]
        return [event for event in events if event is not None]

    def _self_test(self, line: Line) -> list[Observed]:
        if self._token is None or line.message != SELF_TEST + self._token:
            return []
        health = SensorHealth(rung=self._rung, works=True, reason=line.message)
        self._token = None
        event = Sensor(sensor=_NAME, rung=self._rung, degraded=False, tried=(health,))
        return [Observed(event, time=line.time)]

    def _place(self) -> Place:
        files = {name: cursor for name, file in self._records.items() if (cursor := file.cursor())}
        if isinstance(self._source, LogFiles):
            return Place(files | self._source.cursors())
        return Place(files, self._source.cursor if isinstance(self._source, JournalLines) else None)
