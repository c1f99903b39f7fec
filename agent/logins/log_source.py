"""Where lines of the auth log come from: files that are followed by name, or the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Protocol

from ..decode.journal import parse_entry
from ..decode.syslog import Line, parse_line
from ..kernel.follow import Cursor, FollowedFile, Notices, split_lines
from ..kernel.journal import Journal
from ..kernel.told import Shrink
from ..sensor import Moment

_RESTART = 5_000_000_000


class LogSource(Protocol):
    """Lines, in the order in which they were written to each log."""

    def filenos(self) -> tuple[int, ...]:
        """Return the descriptors that are readable when there are lines."""

    def lines(self, now: Moment) -> list[Line]:
        """Return the lines since the last call."""

    def losses(self) -> dict[str, int]:
        """Return what could not be read since the last call, by cause."""

    def shrinks(self, now: Moment) -> list[tuple[Shrink, list[int]]]:
        """Return how logs lost lines since the last call, with the times of these (UTC ns)."""

    @property
    def doubting(self) -> bool:
        """Whether `shrinks` may have something to return in a moment."""

    def settle(self, now: Moment) -> None:
        """Let `shrinks` return it at once."""

    def close(self) -> None:
        """Give back what was opened."""


class LogFiles:
    """Log files; zone is the one in which traditional lines give their time."""

    def __init__(
        self, paths: tuple[Path, ...], notices: Notices, cursors: Mapping[str, Cursor], zone: tzinfo
    ) -> None:
        self._files = [FollowedFile(path, notices, split_lines, cursors.get(str(path))) for path in paths]
        self._zone = zone
        self._lost: Counter[str] = Counter()

    def filenos(self) -> tuple[int, ...]:
        """Return nothing: the notices' descriptor is shared with other files, so its owner waits on it."""
        return ()

    def lines(self, now: Moment) -> list[Line]:
        """Return the lines since the last call."""
        lines: list[Line] = []
        for file in self._files:
            for raw in file.read(now.mono):
                line = parse_line(raw, now.time, self._zone)
                if line is not None:
                    lines.append(line)
                elif raw.strip():
                    self._lost["line without syslog header"] += 1
        return lines

    def shrinks(self, now: Moment) -> list[tuple[Shrink, list[int]]]:
        """Return how logs lost lines since the last call, with the times of these (UTC ns)."""
        found = [shrink for file in self._files for shrink in file.shrinks()]
        return [(shrink, self._times(shrink.lost, now)) for shrink in found]

    def _times(self, lost: tuple[bytes, ...], now: Moment) -> list[int]:
        lines = [parse_line(raw, now.time, self._zone) for raw in lost]
        return [line.time for line in lines if line is not None]

    @property
    def doubting(self) -> bool:
        """Whether `shrinks` may have something to return in a moment."""
        return any(file.doubting for file in self._files)

    def settle(self, now: Moment) -> None:
        """Let `shrinks` return at once what it would in a moment."""
        for file in self._files:
            file.settle(now.mono)

    def cursors(self) -> dict[str, Cursor]:
        """Return the place up to which each file was read."""
        return {str(file.path): cursor for file in self._files if (cursor := file.cursor())}

    def losses(self) -> dict[str, int]:
        """Return what could not be read since the last call, by cause."""
        lost, self._lost = self._lost, Counter()
        for file in self._files:
            lost.update(file.losses())
        return dict(lost)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


class JournalLines:
    """The journal; a journalctl that ended is started again after its last entry."""

    def __init__(self, start: Callable[[str], Journal], cursor: str) -> None:
        self._start = start
        self.cursor = cursor
        self._journal = start(cursor)
        self._ended_at: int | None = None
        self._lost: Counter[str] = Counter()

    def filenos(self) -> tuple[int, ...]:
        """Return journalctl's output, unless it has ended."""
        return () if self._ended_at is not None else (self._journal.fileno(),)

    def lines(self, now: Moment) -> list[Line]:
        """Return the entries since the last call that are text of a named program."""
        if self._ended_at is not None and now.mono - self._ended_at >= _RESTART:
            self._journal.close()
            self._journal = self._start(self.cursor)
            self._ended_at = None
        lines: list[Line] = []
        for raw in self._journal.read():
            entry = parse_entry(raw)
            if entry is None:
                self._lost["entry that is no journal entry"] += 1
                continue
            self.cursor = entry.cursor
            if entry.line is not None:
                lines.append(entry.line)
        if self._ended_at is None and self._journal.ended:
            self._lost["journalctl ended"] += 1
            self._ended_at = now.mono
        return lines

    def losses(self) -> dict[str, int]:
        """Return what could not be read since the last call, by cause."""
        lost, self._lost = self._lost, Counter()
        if self._journal.overlong:
            lost["overlong"] += self._journal.overlong
            self._journal.overlong = 0
        return dict(lost)

    def shrinks(self, now: Moment) -> list[tuple[Shrink, list[int]]]:  # noqa: ARG002 - the source's interface
        """Return nothing: what journald drops for its cap cannot be told from what others drop."""
        return []

    @property
    def doubting(self) -> bool:
        """Return False."""
        return False

    def settle(self, now: Moment) -> None:
        """Do nothing."""

    def close(self) -> None:
        """End journalctl."""
        self._journal.close()
