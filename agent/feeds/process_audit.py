"""Process events from audit records that somebody's rules make: execs with argv, no ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from evidence.kind import Body
from evidence.kinds.agent import Loss

from ..decode.audit import Assembly, Record, exec_of, parse, with_snapshot
from ..environment import EnvironmentNames
from ..kernel.audit import AuditReader
from ..kernel.procfs import read_process
from ..sensor import Context, Moment, Observed
from .process_trigger import run_marked
from .tally import Tally

_LIMIT = 8192


class AuditFeed:
    """Beneath bpf, above the connector: argv is never missed, but only rules make the kernel tell it."""

    period: float | None = 1.0

    def __init__(self, context: Context) -> None:
        """Join the multicast group.

        Raises:
            RungUnavailable: not permitted, or a kernel without audit.
        """
        self._reader = AuditReader()
        self._names = EnvironmentNames(context.settings.process.environment)
        self._assembly = Assembly()
        self._kernel_lost = self._reader.lost()
        self._tally = Tally(
            "process",
            {
                "audit_overrun": "use the bpf rung: records came faster than they could be read",
                "audit_lost": "raise the audit backlog: auditctl -b 8192",
            },
        )

    def filenos(self) -> tuple[int, ...]:
        """Return the group's socket."""
        return (self._reader.fileno(),)

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return the execs that are told in full, or have waited long enough for the rest."""
        found: list[Observed] = []
        datagrams, overruns = self._reader.read(_LIMIT)
        if overruns:
            self._tally.add_unknown("audit_overrun")
        for raw in datagrams:
            record = parse(raw)
            if record is not None:
                for event in self._assembly.add(record, now.mono):
                    found += self._execs(event, now)
        for event in self._assembly.expire(now.mono):
            found += self._execs(event, now)
        return found

    def losses(self, now: Moment) -> Iterable[Loss]:
        """Return what the kernel says was lost, and what our buffer could not take."""
        lost = self._reader.lost()
        if lost is not None:
            if self._kernel_lost is not None and lost > self._kernel_lost:
                self._tally.add("audit_lost", lost - self._kernel_lost)
            self._kernel_lost = lost
        return self._tally.take(now)

    def trigger(self) -> Callable[[Body], bool]:
        """Execute /bin/true: without a rule for execve nothing tells of it, and the next rung is used."""
        return run_marked()

    def close(self) -> None:
        """Leave the group."""
        self._reader.close()

    def _execs(self, event: list[Record], now: Moment) -> list[Observed]:
        body = exec_of(event)
        if body is None:
            return []
        snapshot = read_process(body.pid, before=now.mono, names=self._names)
        return [Observed(with_snapshot(body, snapshot), time=event[0].time)]
