"""The table of processes: who a pid was at a moment, and from whom it descends. Pure and bounded.

Processes are keyed by (pid, start), so that a reused pid is another process. What no event has told is looked
up in /proc through the function given, whose answer counts only when its start fits. An ended process is kept
for a while, for events that come after it and for its children.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from itertools import islice, pairwise

import msgspec

from evidence.kind import Actor, Body
from evidence.kinds.process import Ancestor, Exec, Exit

from . import cgroup
from .decode.proc_files import TICK, Snapshot

ANCESTORS = 8
TTL = 60_000_000_000
"""Nanoseconds for which an ended process is kept, unless there are too many."""

ENDED_SHARE = 16
"""One of so many places of the table may be an ended process's: 4096 of them, 2.5 MB, by default."""

LATE = 2_000_000_000
"""Nanoseconds after its end for which a pid still names the process, as long as no other took it."""

FORMER = 4
"""Programs that are kept of a process from before its last exec."""

_GONE = 4096
_PORTIONS = 64

Key = tuple[int, int | None]


class Who(msgspec.Struct, frozen=True, gc=False):
    """What is kept of an exec: a third of it, for thousands of processes are known at a time."""

    exe: str | None
    cmd_line: str | None
    uid: int | None
    auid: int | None
    session: int | None
    cgroup: str | None


class _Process(msgspec.Struct, gc=False):
    """What is known of one process; an exec replaces what the one before told, but for `formers`."""

    pid: int
    start: int | None
    who: Who
    parent: Key | None
    seen: int
    ended: int | None = None
    formers: tuple[tuple[int, Who], ...] = ()
    """Until when it was who before its last execs, the oldest first."""
    older: _Process | None = None
    """What had the pid before it and is not forgotten yet."""
    line: tuple[Ancestor, ...] = ()
    """The ancestry of each of its children, as of `version` of the table."""
    version: int = -1
    forks: tuple[Ancestor, ...] = ()
    """The ancestors that the last of its children told of."""
    named: bool = False
    """Whether it stands in somebody's line."""

    def at(self, mono: int | None) -> Who:
        """Return who it was at mono (now if None): before its last execs it ran something else."""
        if mono is not None and mono < self.seen:
            for until, who in self.formers:
                if mono < until:
                    return who
        return self.who


class ProcessTable:
    """Processes by (pid, start), the least recently seen forgotten beyond the limit."""

    def __init__(self, limit: int, look_up: Callable[[int], Snapshot | None]) -> None:
        """Keep at most limit processes; look_up reads one that no event has told of."""
        self._limit = limit
        self._most_ended = limit // ENDED_SHARE
        self._look_up = look_up
        self._table: dict[int, _Process] = {}
        """The youngest process of each pid, those seen lately last."""
        self._ended: deque[tuple[int, _Process]] = deque()
        self._gone: set[Key] = set()
        """Parents that /proc does not show: an ended process never comes back."""
        self.version = 0
        """Changes when an ancestry that was told is no longer what it would be now."""
        self.added = 0
        self.removed = 0
        """Since start; added less removed is the size, and a growing difference is a leak."""

    def __len__(self) -> int:
        """Return how many processes are known."""
        return self.added - self.removed

    def observe(self, body: Body, mono: int) -> None:
        """Learn from an exec or exit that happened at mono (CLOCK_BOOTTIME ns)."""
        if isinstance(body, Exec):
            self._executed(body, mono)
        elif isinstance(body, Exit):
            self._exited(body, mono)

    def told(self, pid: int, start: int | None) -> Who | None:
        """Return what is known of the process (pid, start) without a look into /proc."""
        process = self._get(pid, start)
        return process.who if process is not None else None

    def command(self, pid: int, start: int | None) -> str | None:
        """Return the command line of the process (pid, start) as known without a look into /proc."""
        who = self.told(pid, start)
        return who.cmd_line if who is not None else None

    def actor(self, pid: int, mono: int | None = None) -> Actor | None:
        """Return who pid was at mono (now if None); None when that is not known."""
        process = self._find(pid, mono) or self._read(pid, mono)
        return _actor(process, process.at(mono)) if process is not None else None

    def formers(self, pid: int, since: int, until: int) -> tuple[Actor, ...]:
        """Return who pid was before its execs after since and by until (mono), the oldest first."""
        process = self._find(pid, until)
        if process is None:
            return ()
        return tuple(_actor(process, who) for left, who in process.formers if since < left <= until)

    def became(self, pid: int, start: int | None, since: int, until: int) -> str | None:
        """Return the program of (pid, start) at until, where it executed one after since (mono)."""
        process = self._matching(pid, start)
        if process is None:
            return None
        executed = [left for left, _ in process.formers] or [process.seen]
        return process.at(until).exe if any(since < at <= until for at in executed) else None

    def ancestry(self, pid: int, start: int | None) -> tuple[Ancestor, ...]:
        """Return the parents of (pid, start), nearest first, at most eight; it ends where one is unknown."""
        process = self._get(pid, start)
        if process is None or process.parent is None:
            return ()
        parent = self._get(*process.parent)
        if parent is None:
            return self._walk(process)[0]
        if parent.version != self.version:
            parent.line, whole = self._walk(process)
            if not whole:
                return parent.line
            parent.version = self.version
        return parent.line

    def is_whole(self, pid: int | None, start: int | None) -> bool:
        """Return whether the ancestry told of the children of (pid, start) stays until `version` changes."""
        process = self._get(pid, start) if pid is not None else None
        return process is not None and process.version == self.version

    def _get(self, pid: int, start: int | None) -> _Process | None:
        process = self._table.get(pid)
        while process is not None and process.start != start:
            process = process.older
        return process

    def _walk(self, process: _Process) -> tuple[tuple[Ancestor, ...], bool]:
        """Return the ancestry, and whether it ends where there is no parent or at the limit."""
        found: list[Ancestor] = []
        while process.parent is not None and len(found) < ANCESTORS:
            pid, start = process.parent
            parent = self._matching(pid, start) or self._read_parent(pid, start)
            exe = parent.who.exe if parent is not None else None
            found.append(Ancestor(pid=pid, start=start, exe=exe))
            if parent is None:
                return tuple(found), False
            process = parent
            process.named = True
        return tuple(found), True

    def _executed(self, body: Exec, mono: int) -> None:
        parent = (body.ppid, body.parent_start) if body.ppid is not None else None
        pid = body.pid
        process = self._get(pid, body.start) if pid in self._table else None
        if process is None:
            self._add(_Process(pid, body.start, _who(body), parent, mono))
        else:
            self.version += process.named
            process.formers = (*process.formers, (mono, process.who))[-FORMER:]
            process.who, process.parent, process.seen = _who(body), parent, mono
            process.ended, process.version = None, -1
            self._table[pid] = self._table.pop(pid)
        if body.ancestry:
            self._learn_forks(body, mono)

    def _learn_forks(self, body: Exec, mono: int) -> None:
        """Keep ancestors that were only forked: no exec of their own tells who their parent is."""
        chain = body.ancestry
        parent = self._get(chain[0].pid, chain[0].start)
        if parent is not None and parent.forks is chain:
            return
        for child, above in pairwise(chain):
            if child.start is not None and self._matching(child.pid, child.start) is None:
                self._add(_Process(child.pid, child.start, _UNKNOWN, (above.pid, above.start), mono))
        if parent is not None:
            parent.forks = chain

    def _exited(self, body: Exit, mono: int) -> None:
        pid, start, ended = body.pid, body.start, self._ended
        process = self._table.get(pid)
        if process is None or process.start != start or start is None:
            process = self._matching(pid, start) if start is not None else self._find(pid, mono)
        if process is not None and process.ended is None:
            process.ended = mono
            ended.append((mono, process))
        while ended and (len(ended) > self._most_ended or mono - ended[0][0] > TTL):
            self._forget(ended.popleft()[1])

    def _add(self, process: _Process) -> None:
        """Take a process that is not known yet; beyond the limit, forget some not seen for longest."""
        table = self._table
        process.older = table.pop(process.pid, None)
        table[process.pid] = process
        self.added += 1
        if self.added - self.removed > self._limit:
            # Several at once: a dict that loses its first entry searches for the next among all it has lost.
            for pid in list(islice(table, max(1, self._limit // _PORTIONS))):
                oldest: _Process | None = table.pop(pid)
                while oldest is not None:
                    self.removed += 1
                    oldest = oldest.older

    def _forget(self, process: _Process) -> None:
        youngest = self._table.get(process.pid)
        if youngest is process:
            if process.older is None:
                del self._table[process.pid]
            else:
                self._table[process.pid] = process.older
            self.removed += 1
            return
        while youngest is not None:
            if youngest.older is process:
                youngest.older = process.older
                self.removed += 1
                return
            youngest = youngest.older

    def _find(self, pid: int, mono: int | None) -> _Process | None:
        """Return the process that had pid at mono: the youngest that had begun, if it had not ended by then.

        A sensor whose source tells no time asks with that of its reading, by when a short process is gone.
        """
        process = self._table.get(pid)
        while process is not None:
            if mono is None:
                return process if process.ended is None else None
            if (process.start or 0) <= mono and (process.ended is None or mono <= process.ended + LATE):
                return process
            process = process.older
        return None

    def _matching(self, pid: int, start: int | None) -> _Process | None:
        """Return the process (pid, start), where one of the two starts may be to the tick only."""
        known = self._get(pid, start)
        if known is not None:
            return known
        process = self._table.get(pid)
        while process is not None and not same_start(process.start, start):
            process = process.older
        return process

    def _read(self, pid: int, mono: int | None) -> _Process | None:
        """Read pid from /proc; it counts when it had started by mono and no event told of its end."""
        snapshot = self._look_up(pid)
        if snapshot is None or (mono is not None and snapshot.start > mono):
            return None
        return self._take(snapshot)

    def _read_parent(self, pid: int, start: int | None) -> _Process | None:
        """Read a parent from /proc; it counts when its start is the one the child named."""
        if start is None or (pid, start) in self._gone:
            return None
        snapshot = self._look_up(pid)
        if snapshot is not None and same_start(snapshot.start, start):
            return self._take(snapshot)
        if len(self._gone) >= _GONE:
            self._gone.clear()
        self._gone.add((pid, start))
        return None

    def _take(self, snapshot: Snapshot) -> _Process | None:
        known = self._matching(snapshot.pid, snapshot.start)
        if known is not None:
            return None if known.ended is not None else known
        parent = (snapshot.ppid, snapshot.parent_start) if snapshot.ppid else None
        process = _Process(snapshot.pid, snapshot.start, _who(snapshot), parent, snapshot.start)
        self._add(process)
        return process


_UNKNOWN = Who(None, None, None, None, None, None)


def _actor(process: _Process, who: Who) -> Actor:
    place = cgroup.place(who.cgroup or "/")
    return Actor(
        pid=process.pid,
        start=process.start,
        exe=who.exe,
        cmd_line=who.cmd_line,
        uid=who.uid,
        auid=who.auid,
        session=who.session,
        unit=place.unit,
        container=place.container,
        container_runtime=place.runtime,
        pod=place.pod,
    )


def _who(told: Exec | Snapshot) -> Who:
    """Return what is kept of an exec or of a look into /proc; program and cgroup, which repeat, once."""
    exe, group = told.exe, told.cgroup
    return Who(
        exe=None if exe is None else sys.intern(exe),
        cmd_line=" ".join(told.argv) or None,
        uid=told.uid,
        auid=told.auid,
        session=told.session,
        cgroup=None if group is None else sys.intern(group),
    )


def same_start(one: int | None, other: int | None) -> bool:
    """Return whether two starts are the same: /proc tells ticks of 10 ms, the kernel's events tell ns."""
    if one is None or other is None:
        return False
    if one % TICK and other % TICK:
        return one == other
    return one // TICK == other // TICK
