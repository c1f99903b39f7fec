"""Security-relevant acts from the kernel, by the hooks of one rung."""

from __future__ import annotations

import posixpath
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

import msgspec

from evidence.kind import Actor, Body
from evidence.kinds.act import Ptrace, UnixSocket
from evidence.kinds.agent import Loss

from ..act_hooks import Hook, Trigger
from ..decode import bpf_acts
from ..errors import RungUnavailable
from ..kernel.bpf_reader import RingReader
from ..processes import same_start
from ..sensor import Context, Moment, Observed
from .acts_trigger import PROBE
from .socket_owner import actor_of
from .tally import Tally

_RING_BYTES = 256 << 10
_NAME_BYTES = 64
_REPEAT = 20_000_000
"""Nanoseconds within which the same record again is the same act, where the kernel may check a call twice."""
_REPEATS = 256
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
        self._sockets = {posixpath.basename(path): path for path in context.settings.acts.sockets}
        self._tally = Tally(sensor, _SUGGESTIONS)
        self._readers: list[tuple[RingReader, Hook]] = []
        self._limited: dict[str, int] = {}
        self._held: list[tuple[bytes, Hook]] = []
        self._recent: OrderedDict[bytes, int] = OrderedDict()
        try:
            for hook in hooks:
                self._open(hook, context)
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

    def losses(self, now: Moment) -> Iterable[Loss]:
        """Return what the rings could not take, what was too much in a second, what could not be decoded."""
        for reader, _ in self._readers:
            for cause, count in reader.lost().items():
                self._tally.add(cause, count)
            (limited,) = reader.object.counters("limited", 1)
            self._tally.add("rate_limited", limited - self._limited.get(reader.ring_id, 0))
            self._limited[reader.ring_id] = limited
        return self._tally.take(now)

    def trigger(self) -> Callable[[Body], bool]:
        """Do the act once, harmlessly."""
        return self._trigger(self._state)

    def close(self) -> None:
        """Unload."""
        for reader, _ in self._readers:
            reader.close()
        self._readers.clear()

    def _open(self, hook: Hook, context: Context) -> None:
        try:
            reader = RingReader(hook.object, _RING_BYTES, context.rings, behind=1, programs=hook.programs)
        except RungUnavailable:
            if hook.needed:
                raise
            return
        self._readers.append((reader, hook))
        if any(program.endswith(("_unix", "_connect")) for program in hook.programs):
            for name in (*self._sockets, PROBE):
                reader.object.put("listed", name.encode()[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0"), bytes(4))

    def _observed(self, raw: bytes, hook: Hook) -> Iterator[Observed]:
        try:
            act = bpf_acts.parse(raw)
        except ValueError:
            self._tally.add("undecodable")
            return
        if hook.repeats and self._is_repeated(bpf_acts.content(raw), act.mono):
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

    def _is_repeated(self, content: bytes, mono: int) -> bool:
        before = self._recent.get(content)
        self._recent[content] = mono
        self._recent.move_to_end(content)
        if len(self._recent) > _REPEATS:
            self._recent.popitem(last=False)
        return before is not None and mono - before < _REPEAT
