"""Processes by looking now and then: the last rung, blind to all that lives between two looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import psutil

from evidence.kind import Body
from evidence.kinds.agent import Loss
from evidence.kinds.process import Exec

from ..decode.proc_files import late_exec
from ..environment import EnvironmentNames
from ..errors import RungUnavailable
from ..kernel.procfs import read_process
from ..sensor import Context, Moment, Observed
from .lasting_trigger import LastingTrigger
from .process_connector import exit_of
from .process_trigger import WaitingProcess
from .tally import Tally

_PERIOD = 0.5


class PollFeed:
    """The last rung of the process sensor. What runs at start is no event."""

    period: float | None = _PERIOD

    def __init__(self, context: Context) -> None:
        """Take the processes that run.

        Raises:
            RungUnavailable: /proc cannot be listed.
        """
        self._names = EnvironmentNames(context.settings.process.environment)
        self._tally = Tally("process", {"poll_gap": "use the bpf rung: run as root with the built objects"})
        self._trigger = LastingTrigger(WaitingProcess)
        try:
            self._running: dict[int, Exec | None] = dict.fromkeys(psutil.pids())
        except OSError as error:
            raise RungUnavailable(f"processes cannot be listed: {error}", fix="mount /proc") from error
        self._looked = context.clock().mono

    def filenos(self) -> tuple[int, ...]:
        """Return none: there is nothing to wait on."""
        return ()

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return the processes that are new and those that are gone since the last look."""
        if now.mono - self._looked > 2 * _PERIOD * 1e9:
            self._tally.add_unknown("poll_gap")
        self._looked = now.mono
        listed = set(psutil.pids())
        found = [
            Observed(exit_of(pid, self._running.pop(pid), now.mono, None), mono=now.mono)
            for pid in sorted(self._running.keys() - listed)
        ]
        for pid in sorted(listed - self._running.keys()):
            snapshot = read_process(pid, names=self._names)
            if snapshot is not None:
                body = self._running[pid] = late_exec(pid, snapshot)
                found.append(Observed(body, mono=now.mono))
        self._trigger.look(found)
        return found

    def losses(self, now: Moment) -> Iterable[Loss]:
        """Return the times in which nobody looked for longer than a period."""
        return self._tally.take(now)

    def trigger(self) -> Callable[[Body], bool]:
        """Execute a shell that waits until it was seen."""
        return self._trigger.begin()

    def close(self) -> None:
        """End what the trigger started."""
        self._trigger.end()
