"""What watch's loop tells the world beside the spool: the service manager, the status file, its own cost."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..kernel import cgroups
from ..live_feed import LiveFeed
from ..own_processes import OwnProcesses
from ..sealing.batching import Batching
from ..sensor import Moment
from ..supervision import vitals
from ..supervision.mapped_files import MappedFiles
from ..supervision.notify import Notifier
from . import status
from .self_report import Cost, SelfReport

SHIP_UNIT = "vedette-ship.service"


class Outside:
    """The host around this process. supervisor is the pid whose children are the agent's, if there is one."""

    def __init__(self, runtime: Path, notifier: Notifier, own: OwnProcesses, supervisor: int | None) -> None:
        self._runtime = runtime
        self._notifier = notifier
        self._own = own
        self._supervisor = supervisor
        self._mapped = MappedFiles()
        self._cpu = vitals.cpu_seconds()
        self._since: int | None = None

    def ready(self, summary: str) -> None:
        """Tell the service manager that start-up is over."""
        self._notifier.ready(summary)

    def alive(self, summary: str) -> None:
        """Feed the service manager's watchdog."""
        self._notifier.alive(summary)

    def stopping(self) -> None:
        """Tell the service manager that the end is wanted."""
        self._notifier.stopping()

    def show(self, report: SelfReport, feeds: tuple[LiveFeed, ...], batching: Batching, now: int) -> None:
        """Write the status file; a full disk costs only the status."""
        with suppress(OSError):
            status.write(self._runtime, report.status(now, feeds, batching))

    def give_back(self, now: Moment) -> None:
        """Give memory back to the host that is not needed any more."""
        vitals.give_back()
        self._mapped.let_go(now.mono / 1e9)

    def cost(self, now: Moment) -> Cost:
        """Return the cost since the last call."""
        used, self._cpu = self._cpu, vitals.cpu_seconds()
        since, self._since = self._since, now.mono
        interval = (now.mono - since) / 1e9 if since is not None else 0.0
        share = (self._cpu - used) / interval if interval else 0.0
        return Cost(vitals.pss_bytes(), round(share, 5), round(interval, 3))

    def adopt(self) -> None:
        """Take what the supervisor started beside this process, or else ship's unit, for the agent's own."""
        if self._supervisor is not None:
            self._own.adopt(vitals.children(self._supervisor))
        else:
            self._own.adopt(cgroups.unit_processes(SHIP_UNIT))
