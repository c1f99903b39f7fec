"""The agent's own processes: their execs, exits, connections and the like are counted, not reported. Pure.

Reporting them would make each shipped batch cause events of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from evidence.kind import Body
from evidence.kinds.act import Act
from evidence.kinds.connection import Close, Listen, Open, Report
from evidence.kinds.dns import Query
from evidence.kinds.process import Exec, Exit

_BOUND = 1024


class OwnProcesses:
    """Pids of the agent and of what it starts."""

    def __init__(self, roots: Iterable[int]) -> None:
        self._roots = frozenset(roots)
        self._started: set[int] = set()
        self.skipped = 0

    def adopt(self, pids: Iterable[int]) -> None:
        """Take pids, started beside this process, for the agent's own."""
        if len(self._started) < _BOUND:
            self._started.update(pids)

    def beside(self, pid: int) -> frozenset[int]:
        """Return the agent's processes but for one."""
        return (self._roots | self._started) - {pid}

    def skip(self, body: Body) -> bool:
        """Return whether body is what the agent itself did, and count it."""
        if not self._is_own(body):
            return False
        self.skipped += 1
        return True

    def _is_own(self, body: Body) -> bool:
        if isinstance(body, Exit):
            pid = body.pid
            if pid in self._started:
                self._started.discard(pid)
                return True
            return pid in self._roots
        if isinstance(body, Exec):
            roots, started, pid, ppid = self._roots, self._started, body.pid, body.ppid
            if pid in started or ppid in started or pid in roots or ppid in roots:
                self.adopt((pid,))
                return True
            return False
        if isinstance(body, Open | Report | Close | Listen | Query | Act):
            return body.actor is not None and self._holds(body.actor.pid)
        return False

    def _holds(self, pid: int | None) -> bool:
        return pid is not None and (pid in self._roots or pid in self._started)
