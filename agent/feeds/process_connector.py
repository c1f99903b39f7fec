"""Process events from the proc connector: a pid alone, everything else read from /proc after the fact."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from evidence.kind import Body
from evidence.kinds.agent import Loss
from evidence.kinds.process import Exec, Exit

from ..decode.connector import ProcessEvent, parse
from ..decode.proc_files import late_exec
from ..environment import EnvironmentNames
from ..kernel.proc_connector import ProcConnector
from ..kernel.procfs import read_process
from ..sensor import Context, Moment, Observed
from .process_trigger import run_and_end
from .tally import Tally

_LIMIT = 2048
_KEPT = 65_536
_MOST_CPUS = 8192


class ConnectorFeed:
    """The second rung of the process sensor: each millisecond it waits costs a short process's argv."""

    period: float | None = None

    def __init__(self, context: Context) -> None:
        """Subscribe.

        Raises:
            RungUnavailable: not permitted, or not in this network namespace.
        """
        self._connector = ProcConnector()
        self._names = EnvironmentNames(context.settings.process.environment)
        self._running: OrderedDict[int, Exec] = OrderedDict()
        self._sequences: dict[int, int] = {}
        self._tally = Tally("process", {"netlink_overrun": "use the bpf rung: it keeps a larger buffer"})

    def filenos(self) -> tuple[int, ...]:
        """Return the netlink socket's descriptor."""
        return (self._connector.fileno(),)

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return execs, each with what /proc still told of it, and exits."""
        asleep = now.mono - time.monotonic_ns()
        found: list[Observed] = []
        for raw in self._connector.read(_LIMIT):
            for event in parse(raw):
                self._check_sequence(event)
                body = self._body(event, event.mono + asleep)
                if body is not None:
                    found.append(Observed(body, mono=event.mono + asleep))
        return found

    def losses(self, now: Moment) -> Iterable[Loss]:
        """Return the events between the sequence numbers that came."""
        return self._tally.take(now)

    def trigger(self) -> Callable[[Body], bool]:
        """Execute /bin/true."""
        return run_and_end()

    def close(self) -> None:
        """Unsubscribe."""
        self._connector.close()

    def _check_sequence(self, event: ProcessEvent) -> None:
        expected = self._sequences.get(event.cpu)
        missed = 0 if expected is None else event.sequence - expected & 0xFFFFFFFF
        if 0 < missed < 1 << 31:
            self._tally.add("netlink_overrun", missed)
        if event.cpu in self._sequences or len(self._sequences) < _MOST_CPUS:
            self._sequences[event.cpu] = event.sequence + 1 & 0xFFFFFFFF

    def _body(self, event: ProcessEvent, mono: int) -> Body | None:
        if event.kind == "exec":
            body = late_exec(event.tgid, read_process(event.tgid, before=mono, names=self._names))
            self._running[event.tgid] = body
            if len(self._running) > _KEPT:
                self._running.popitem(last=False)
            return body
        if event.kind == "exit" and event.pid == event.tgid:
            return exit_of(event.tgid, self._running.pop(event.tgid, None), mono, event.status)
        return None


def exit_of(pid: int, was: Exec | None, mono: int, status: int | None) -> Exit:
    """Return the end of a process that executed `was`; status is that of wait(2), where it is known."""
    signal = None if status is None else status & 0x7F or None
    start = was.start if was is not None else None
    return Exit(
        pid=pid,
        start=start,
        exe=was.exe if was is not None else None,
        uid=was.uid if was is not None else None,
        auid=was.auid if was is not None else None,
        session=was.session if was is not None else None,
        code=None if status is None or signal else status >> 8 & 0xFF,
        signal=signal,
        duration=None if start is None else max(0, mono - start),
        escaped=("exe",) if was is not None and "exe" in was.escaped else (),
    )
