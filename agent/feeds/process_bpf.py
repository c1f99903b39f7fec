"""Process events from the kernel, by exec.bpf.c: nothing is read after the fact."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from evidence.kind import Body
from evidence.kinds.agent import Loss
from evidence.kinds.process import Exit

from ..decode import bpf_process
from ..environment import EnvironmentNames
from ..exe_hash import ExeHasher
from ..governing.shedding import Shedding
from ..kernel.bpf_reader import RingReader
from ..kernel.cgroups import Cgroups
from ..sensor import Context, Filtered, Moment, Observed
from ..settings import Settings
from .filters import CAUSE, SUGGESTION, Filters
from .process_trigger import run_marked
from .repeated_ends import RepeatedEnds
from .tally import Tally, kept_counts


class BpfFeed:
    """The first rung of the process sensor."""

    def __init__(self, context: Context) -> None:
        """Load exec.bpf.c.

        Raises:
            RungUnavailable: it does not load here.
        """
        ring_bytes = context.settings.process.ring_mib << 20
        self._reader = RingReader("exec", ring_bytes, context.rings, layout=bpf_process.LAYOUT)
        names = EnvironmentNames(context.settings.process.environment)
        with self._reader.object.mapped_word("environment") as page:
            table = bpf_process.wanted(names.prefixes())
            page[: len(table)] = table
        self._filters = Filters(self._reader.object, context.settings.process.ignore)
        self._cgroups = Cgroups()
        hasher = ExeHasher(lambda: context.clock().mono)
        self._decoder = bpf_process.Decoder(self._cgroups.path, hasher.of_content)
        self._shedding = context.shedding
        self._own = os.getpid()
        self._ends = RepeatedEnds()
        full = "give the agent more CPU: raise CPUQuota of its unit"
        self._tally = Tally("process", {"ring_full": full, CAUSE: SUGGESTION}, kept_counts(context.rings))

    @property
    def period(self) -> float:
        """Seconds until the next timed read."""
        return self._reader.period

    def filenos(self) -> tuple[int, ...]:
        """Return the ring's descriptor."""
        return (self._reader.fileno(),)

    def read(self, now: Moment) -> Iterable[Observed]:  # noqa: ARG002 - each record has its own time
        """Return the execs and exits that wait in the ring, each decoded when it is asked for."""
        records = self._reader.read()
        if self._shedding is not None:
            self._shedding.ring(self._reader.unread)
        return self._observed(records)

    def rest(self, now: Moment) -> Iterable[Observed]:  # noqa: ARG002 - as above
        """Return all that the ring still holds."""
        return self._observed(self._reader.rest())

    def _observed(self, records: Iterable[bytes]) -> Iterator[Observed]:
        parse, ends = self._decoder.parse, self._ends
        closed = self._shedding if self._shedding is not None and self._shedding.cause else None
        for raw in records:
            try:
                if closed is not None and (shed := self._shed(raw, closed)):
                    yield shed
                    continue
                mono, body, shared, like = parse(raw)
            except ValueError:
                self._tally.add("undecodable")
                continue
            if isinstance(body, Exit) and (shared or ends) and ends.repeats(body, shared=shared):
                continue
            yield Observed(body, mono, None, None, like)

    def _shed(self, raw: bytes, shedding: Shedding) -> Observed | None:
        """Return the outline of an exec that is shed; watch's own are not, for they may be its triggers.

        Raises:
            ValueError: raw is none of our records.
        """
        header = bpf_process.header(raw)
        if header is None:
            return None
        mono, ppid, session, tty = header
        cause = shedding.sheds_exec(session, mono, tty=tty) if ppid != self._own else None
        if cause is None:
            return None
        return Observed(self._decoder.outline(raw), mono, shed=cause)

    def losses(self, now: Moment) -> Iterable[Loss]:
        """Return what the ring could not take, and what it held that could not be decoded."""
        for cause, count in self._reader.lost().items():
            self._tally.add(cause, count)
        self._filters.tell(self._tally)
        return self._tally.take(now)

    def filtered(self) -> Filtered:
        """Return what the settings had the program leave out."""
        return self._filters.state()

    def retune(self, settings: Settings) -> None:
        """Leave out in the kernel what other settings name; nothing else of them concerns an open feed.

        Raises:
            RungUnavailable: the kernel does not take it.
        """
        self._filters.retune(settings.process.ignore, self._tally)

    def trigger(self) -> Callable[[Body], bool]:
        """Execute /bin/true."""
        return run_marked()

    def close(self) -> None:
        """Unload."""
        self._cgroups.close()
        self._filters.close()
        self._reader.close()
