"""Lines of the log files that an operator named, each as it was written."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import tzinfo
from pathlib import Path

import msgspec

from evidence.kind import Body
from evidence.kinds.agent import Loss
from evidence.kinds.log import Message
from evidence.text import to_text

from ..cursor_file import CursorFile
from ..decode.syslog import parse_line
from ..kernel.follow import Cursor, FollowedFile, Notices, split_lines
from ..sensor import Moment, Observed
from .tally import Tally

_NAME = "logs"
_IDLE, _SETTLING = 10.0, 1.0
_SUGGESTIONS = {
    "rotated away": "keep one rotated log uncompressed (logrotate's delaycompress)",
    "unreadable": "let the agent's user read it",
}


class Place(msgspec.Struct, frozen=True):
    """Where the feed stands in each file."""

    files: dict[str, Cursor] = {}


class LogsFeed:
    """Follows files by name through rotation. A line without a syslog header is told as it is, as of now."""

    def __init__(
        self, paths: Iterable[Path], probe: Path, cursors: CursorFile[Place], *, most: int, zone: tzinfo
    ) -> None:
        """Follow paths, and probe, to which the self-test writes; most characters of a line are kept.

        Raises:
            RungUnavailable: there is no inotify instance to be had.
        """
        self._notices = Notices()
        known = (cursors.load() or Place()).files
        self._probe, self._cursors, self._most, self._zone = probe, cursors, most, zone
        self._files = [
            FollowedFile(path, self._notices, split_lines, known.get(str(path))) for path in (*paths, probe)
        ]
        self._tally = Tally(_NAME, _SUGGESTIONS)
        self.period: float | None = _IDLE

    def filenos(self) -> tuple[int, ...]:
        """Return the inotify instance's descriptor."""
        return (self._notices.fileno(),)

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return the lines since the last call; the cursor behind them is saved by a later call."""
        self._notices.drain()
        found = [
            self._observed(str(file.path), raw, now)
            for file in self._files
            for raw in file.read(now.mono)
            if raw.strip()
        ]
        try:
            self._cursors.offer(self._place(), now.mono)
        except OSError:
            self._tally.add("cursor not saved")
        self.period = _SETTLING if self._cursors.pending else _IDLE
        return found

    def _observed(self, path: str, raw: bytes, now: Moment) -> Observed:
        line = parse_line(raw, now.time, self._zone)
        if line is None:
            text, escaped = to_text(raw[: 4 * self._most])
            program = pid = None
        else:
            text, escaped, program, pid = line.message, line.escaped, line.program, line.pid
        body = Message(
            path=path,
            text=text[: self._most],
            program=program,
            pid=pid,
            cut=len(text) > self._most,
            escaped=("text",) if escaped else (),
        )
        return Observed(body, time=now.time if line is None else line.time)

    def losses(self, now: Moment) -> Iterable[Loss]:
        """Return what could not be read since the last call, by cause."""
        for file in self._files:
            for cause, count in file.losses().items():
                self._tally.add(f"{cause}: {file.path}", count)
        return self._tally.take(now)

    def trigger(self) -> Callable[[Body], bool]:
        """Write a line to the probe; it must come back."""
        token = secrets.token_hex(16)
        with suppress(OSError), self._probe.open("a") as file:  # then nothing comes, and the ladder says so
            file.write(token + "\n")
        return lambda body: isinstance(body, Message) and body.text == token

    def close(self) -> None:
        """Save the cursor and close everything."""
        with suppress(OSError):  # then the last lines are read again
            self._cursors.close()
        for file in self._files:
            file.close()
        self._notices.close()

    def _place(self) -> Place:
        return Place(
            {
                str(file.path): cursor
                for file in self._files
                if file.path != self._probe and (cursor := file.cursor())
            }
        )
