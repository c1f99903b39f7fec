"""The table of processes: who a pid was at a moment, and from whom it descends. Pure and bounded.

Processes are keyed by (pid, start), so that a reused pid is another process. What no event has told is looked
up in /proc through the function given, whose answer counts only when its start fits. An ended process is kept
for a while, for events that come after it and for its children.
"""

from __future__ import annotations

import sys
from collections import OrderedDict, deque
from collections.abc import Callable
from itertools import pairwise

import msgspec

from evidence.kind import Actor, Body
from evidence.kinds.process import Ancestor, Exec, Exit

from . import cgroup
from .decode.proc_files import TICK, Snapshot

ANCESTORS = 8
TTL = 60_000_000_000
"""Nanoseconds for which an ended process is kept, unless there are too many."""

ENDED_SHARE = 16
"""One of so many places of the table may be an ended process's: 4096 of them, three megabytes, by default."""

LATE = 2_000_000_000
"""Nanoseconds after its end for which a pid still names the process, as long as no other took it."""

_GONE = 4096

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
    """What is known of one process; a second exec replaces what the first told, but for `before`."""

    who: Who
    parent: Key | None
    seen: int
    ended: int | None = None
    before: _Process | None = None
    line: tuple[Ancestor, ...] = ()
    """The ancestry of each of its children, as of `version` of the table."""
    version: int = -1
    named: bool = False
    """Whether it stands in somebody's line."""

    def at(self, mono: int) -> _Process:
        """Return what it was at mono: before its last exec it ran something else."""
        return self.before if self.before is not None and mono < self.seen else self


class ProcessTable:
    """Processes by (pid, start), the least recently seen forgotten beyond the limit."""

    def __init__(self, limit: int, look_up: Callable[[int], Snapshot | None]) -> None:
        """Keep at most limit processes; look_up reads one that no event has told of."""
        self._limit = limit
        self._look_up = look_up
        self._table: OrderedDict[Key, _Process] = OrderedDict()
        self._keys: dict[int, tuple[Key, ...]] = {}
        self._ended: deque[tuple[int, Key]] = deque()
        self._gone: set[Key] = set()
        """Parents that /proc does not show: an ended process never comes back."""
        self._version = 0
        self.added = 0
        self.removed = 0
        """Since start; added less removed is the size, and a growing difference is a leak."""

    def __len__(self) -> int:
        """Return how many processes are known."""
        return len(self._table)

    def observe(self, body: Body, mono: int) -> None:
        """Learn from an exec or exit that happened at mono (CLOCK_BOOTTIME ns)."""
        if isinstance(body, Exec):
            self._executed(body, mono)
        elif isinstance(body, Exit):
            self._exited(body, mono)

    def told(self, pid: int, start: int | None) -> Who | None:
        """Return what is known of the process (pid, start) without a look into /proc."""
        process = self._table.get((pid, start))
        return process.who if process is not None else None

    def actor(self, pid: int, mono: int | None = None) -> Actor | None:
        """Return who pid was at mono (now if None); None when that is not known."""
        key = self._find(pid, mono) or self._read(pid, mono)
        if key is None:
            return None
        process = self._table[key]
        who = (process if mono is None else process.at(mono)).who
        place = cgroup.place(who.cgroup or "/")
        return Actor(
            pid=pid,
            start=key[1],
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

    def ancestry(self, pid: int, start: int | None) -> tuple[Ancestor, ...]:
        """Return the parents of (pid, start), nearest first, at most eight; it ends where one is unknown."""
        process = self._table.get((pid, start))
        if process is None or process.parent is None:
            return ()
        parent = self._table.get(process.parent)
        if parent is None:
            return self._walk(process)[0]
        if parent.version != self._version:
            parent.line, whole = self._walk(process)
            if not whole:
                return parent.line
            parent.version = self._version
        return parent.line

    def _walk(self, process: _Process) -> tuple[tuple[Ancestor, ...], bool]:
        """Return the ancestry, and whether it ends where there is no parent or at the limit."""
        found: list[Ancestor] = []
        while process.parent is not None and len(found) < ANCESTORS:
            pid, start = process.parent
            parent = self._table.get(process.parent) or self._parent(pid, start)
            exe = parent.who.exe if parent is not None else None
            found.append(Ancestor(pid=pid, start=start, exe=exe))
            if parent is None:
                return tuple(found), False
            process = parent
            process.named = True
        return tuple(found), True

    def _parent(self, pid: int, start: int | None) -> _Process | None:
        """Return a parent that is known under a start of the other precision, or that /proc still shows."""
        key = self._matching(pid, start) or self._read_parent(pid, start)
        return self._table[key] if key is not None else None

    def _executed(self, body: Exec, mono: int) -> None:
        key = (body.pid, body.start)
        process = _Process(
            _who(body), (body.ppid, body.parent_start) if body.ppid is not None else None, mono
        )
        former = self._table.get(key)
        if former is not None:
            former.before = None
            process.before = former
            process.named = former.named
            self._version += former.named
        self._keep(key, process)
        if body.ancestry:
            self._learn_forks(body.ancestry, mono)

    def _learn_forks(self, chain: tuple[Ancestor, ...], mono: int) -> None:
        """Keep ancestors that were only forked: no exec of their own tells who their parent is."""
        for child, parent in pairwise(chain):
            if child.start is not None and self._matching(child.pid, child.start) is None:
                forked = _Process(_UNKNOWN, (parent.pid, parent.start), mono)
                self._keep((child.pid, child.start), forked)

    def _exited(self, body: Exit, mono: int) -> None:
        key = self._matching(body.pid, body.start) if body.start is not None else self._find(body.pid, mono)
        ended = self._ended
        if key is not None and (process := self._table[key]).ended is None:
            process.ended = mono
            ended.append((mono, key))
        while ended and (mono - ended[0][0] > TTL or len(ended) > self._limit // ENDED_SHARE):
            self._forget(ended.popleft()[1])

    def _keep(self, key: Key, process: _Process) -> None:
        if key in self._table:
            self._table.move_to_end(key)
        else:
            self.added += 1
            others = self._keys.get(key[0])
            self._keys[key[0]] = (key,) if others is None else (*others, key)
        self._table[key] = process
        if len(self._table) > self._limit:
            self._forget(next(iter(self._table)))

    def _forget(self, key: Key) -> None:
        if self._table.pop(key, None) is None:
            return
        self.removed += 1
        keys = self._keys.pop(key[0])
        if len(keys) > 1:
            self._keys[key[0]] = tuple(other for other in keys if other != key)

    def _find(self, pid: int, mono: int | None) -> Key | None:
        """Return the process that had pid at mono: the youngest that had begun, if it had not ended by then.

        A sensor whose source tells no time asks with that of its reading, by when a short process is gone.
        """
        for key in reversed(self._keys.get(pid, ())):
            process = self._table[key]
            if mono is None:
                return key if process.ended is None else None
            if (key[1] or 0) <= mono and (process.ended is None or mono <= process.ended + LATE):
                return key
        return None

    def _matching(self, pid: int, start: int | None) -> Key | None:
        """Return the key of (pid, start), where one of the two starts may be to the tick only."""
        key = (pid, start)
        if key in self._table:
            return key
        return next((key for key in self._keys.get(pid, ()) if same_start(key[1], start)), None)

    def _read(self, pid: int, mono: int | None) -> Key | None:
        """Read pid from /proc; it counts when it had started by mono and no event told of its end."""
        snapshot = self._look_up(pid)
        if snapshot is None or (mono is not None and snapshot.start > mono):
            return None
        return self._take(snapshot)

    def _read_parent(self, pid: int, start: int | None) -> Key | None:
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

    def _take(self, snapshot: Snapshot) -> Key | None:
        known = self._matching(snapshot.pid, snapshot.start)
        if known is not None:
            return None if self._table[known].ended is not None else known
        key = (snapshot.pid, snapshot.start)
        parent = (snapshot.ppid, snapshot.parent_start) if snapshot.ppid else None
        self._keep(key, _Process(_who(snapshot), parent, snapshot.start))
        return key


_UNKNOWN = Who(None, None, None, None, None, None)


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
