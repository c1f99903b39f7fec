"""Security-relevant acts from the kernel, by the hooks of one rung."""

from __future__ import annotations

import os
import posixpath
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack

import msgspec

from evidence.kind import Actor, Body
from evidence.kinds.act import Ptrace, UnixSocket
from evidence.kinds.agent import Loss

from ..decode import bpf_acts
from ..errors import RungUnavailable
from ..kernel.bpf_reader import RingReader
from ..kernel.procfs import read_process
from ..processes import same_start
from ..sensor import Context, Moment, Observed
from .act_hooks import HANDED, Hook, Trigger
from .acts_trigger import PROBE
from .socket_owner import actor_of
from .tally import Tally, kept_counts

_RING_BYTES = 256 << 10
_NAME_BYTES = 64
_AGENT = struct.Struct("=QII")
"""struct agent of bpf/acts.h: when it started, its pid, whether it proves a hook now."""
_TICK = 10_000_000
"""Nanoseconds of a tick of /proc."""
_SUGGESTIONS = {
    "ring_full": "give the agent more CPU: raise CPUQuota of its unit",
    "rate_limited": "look which program does this so often",
}


class ActsFeed:
    """One rung of a sensor of acts.

    A record is given out one read after it came, so that the exec of its process has been seen by then.
    """

    def __init__(self, sensor: str, hooks: tuple[Hook, ...], trigger: Trigger, context: Context) -> None:
        """Load what the hooks need.

        Raises:
            RungUnavailable: a needed hook does not load here.
        """
        self._trigger = trigger
        self._state = context.state
        self._processes = context.processes
        own = read_process(os.getpid())
        self._started = own.start // _TICK if own is not None else 0
        self._sockets = {posixpath.basename(path): path for path in context.settings.acts.sockets}
        self._tally = Tally(sensor, _SUGGESTIONS, kept_counts(context.rings))
        self._readers: list[tuple[RingReader, Hook]] = []
        self._open_parts = ExitStack()
        self._held: list[tuple[bytes, Hook]] = []
        try:
            for hook in hooks:
                self._open(hook, context)
            self._name_agent(proves=False)
        except RungUnavailable:
            self.close()
            raise

    @property
    def period(self) -> float:
        """Seconds until the next timed read."""
        return min(reader.period for reader, _ in self._readers)

    def filenos(self) -> tuple[int, ...]:
        """Return the rings' descriptors."""
        return tuple(reader.fileno() for reader, _ in self._readers)

    def read(self, now: Moment) -> Iterable[Observed]:  # noqa: ARG002 - each record has its own time
        """Return the acts of the read before."""
        due, self._held = self._held, []
        for reader, hook in self._readers:
            self._held += [(raw, hook) for raw in reader.read()]
        return [one for raw, hook in due for one in self._observed(raw, hook)]

    def rest(self, now: Moment) -> Iterable[Observed]:  # noqa: ARG002 - as above
        """Return what was held back, and all that the rings still hold."""
        due, self._held = self._held, []
        for reader, hook in self._readers:
            due += [(raw, hook) for raw in reader.rest()]
        return [one for raw, hook in due for one in self._observed(raw, hook)]

    def losses(self, now: Moment) -> Iterable[Loss]:
        """Return what the rings could not take, what was too much in a second, what could not be decoded."""
        for reader, _ in self._readers:
            for cause, count in reader.lost().items():
                self._tally.add(cause, count)
        return self._tally.take(now)

    def trigger(self) -> Callable[[Body], bool]:
        """Do the act once, harmlessly; it is told however much else happens."""
        self._name_agent(proves=True)
        try:
            return self._trigger(self._state)
        finally:
            self._name_agent(proves=False)

    def close(self) -> None:
        """Unload."""
        self._readers.clear()
        self._open_parts.close()

    def _open(self, hook: Hook, context: Context) -> None:
        now = context.clock().mono
        with ExitStack() as parts:
            try:
                context.refusals.check(hook.object, now)
                reader = RingReader(hook.object, _RING_BYTES, context.rings, behind=1, programs=hook.programs)
                parts.callback(reader.close)
                for program in hook.programs & HANDED.keys():
                    place = context.handing.join(
                        HANDED[program], reader.object.program_fd(program), context.rings
                    )
                    parts.callback(context.handing.leave, place)
            except RungUnavailable:
                context.refusals.look(hook.object, now)
                if hook.needed:
                    raise
                return
            self._open_parts.push(parts.pop_all())
        self._readers.append((reader, hook))
        if any(program.endswith(("_unix", "_connect")) for program in hook.programs):
            for name in (*self._sockets, PROBE):
                reader.object.put("listed", name.encode()[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0"), bytes(4))

    def _name_agent(self, *, proves: bool) -> None:
        """Tell the programs who the agent is: what it does is only told while it proves a hook."""
        value = _AGENT.pack(self._started, os.getpid(), proves)
        for reader, _ in self._readers:
            reader.object.put("agents", bytes(4), value)

    def _observed(self, raw: bytes, hook: Hook) -> Iterator[Observed]:
        try:
            act = bpf_acts.parse(raw)
        except ValueError:
            self._tally.add("undecodable")
            return
        body = bpf_acts.to_body(act, actor_of(act.owner, self._processes, act.mono), done=hook.done)
        if isinstance(body, Ptrace) and body.tracee is not None:
            body = msgspec.structs.replace(body, tracee=self._named(body.tracee, act.mono))
        elif isinstance(body, UnixSocket):
            listed = self._sockets.get(posixpath.basename(body.path))
            body = msgspec.structs.replace(body, listed=listed)
        yield Observed(body, mono=act.mono)

    def _named(self, target: Actor, mono: int) -> Actor:
        """Return who the target is, if the process table knows the same process."""
        known = None if target.pid is None else self._processes.actor(target.pid, mono)
        if known is None or (target.start is not None and not same_start(known.start, target.start)):
            return target
        return known
