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
        self._own = set(self._roots)
        self.skipped = 0

    def adopt(self, pids: Iterable[int]) -> None:
        """Take pids, started beside this process, for the agent's own."""
        if len(self._own) < _BOUND:
            self._own.update(pids)

    def beside(self, pid: int) -> frozenset[int]:
        """Return the agent's processes but for one."""
        return frozenset(self._own - {pid})

    def skip(self, body: Body) -> bool:
        """Return whether body is what the agent itself did, and count it."""
        if isinstance(body, Exec):
            own = body.pid in self._own or body.ppid in self._own
            if own:
                self.adopt((body.pid,))
        elif isinstance(body, Exit):
            own = body.pid in self._own
            if own and body.pid not in self._roots:
                self._own.discard(body.pid)
        else:
            own = self._acted(body)
        self.skipped += own
        return own

    def _acted(self, body: Body) -> bool:
        if isinstance(body, Open | Report | Close | Listen | Query | Act):
            return body.actor is not None and body.actor.pid in self._own
        return False
