"""How the sensors of security-relevant acts see: programs of eBPF objects, one ladder an act."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from evidence.kind import Body

from ..decode.bpf_acts import ActType
from ..errors import RungUnavailable
from ..sensor import Context, Feed, Rung

SYSCALL = "syscall"
HANDED = {
    "used": ActType.CREDENTIALS,
    "capable_ptrace": ActType.PTRACE,
    "capable_module": ActType.MODULE,
    "capable_program": ActType.PROGRAM,
    "capable_mount": ActType.MOUNT,
    "capable_namespace": ActType.NAMESPACE,
}
"""Programs that the one at the check of capabilities hands on to, by the acts it does so for."""
_OFF = RungUnavailable(
    "hooks on system calls are off, as they slow every call of this host", "set [acts] syscalls = true"
)


class Hook(msgspec.Struct, frozen=True):
    """Programs of one object. done: they show that the act happened, else that it was allowed.

    needed: without them the rung does not work; others add to what it sees.
    """

    object: str
    programs: frozenset[str]
    done: bool = False
    needed: bool = True


Trigger = Callable[[Path], Callable[[Body], bool]]
"""Does the act, with a folder for what it needs, and returns the test that recognises it.

Raises RungUnavailable where this process may not.
"""


def hook(name: str, *programs: str, done: bool = False, needed: bool = True) -> Hook:
    """Return the hook of programs in acts_NAME.bpf.c."""
    return Hook(f"acts_{name}", frozenset(programs), done, needed)


def rungs(sensor: str, trigger: Trigger, ladder: dict[str, tuple[Hook, ...]]) -> tuple[Rung, ...]:
    """Return the rungs of a sensor, in the order of ladder."""
    return tuple(_rung(sensor, trigger, name, hooks) for name, hooks in ladder.items())


def _rung(sensor: str, trigger: Trigger, name: str, hooks: tuple[Hook, ...]) -> Rung:
    def open_feed(context: Context) -> Feed:
        if name == SYSCALL and not context.settings.acts.syscalls:
            raise _OFF
        from .acts_bpf import ActsFeed  # noqa: PLC0415 - loaded when a rung is tried

        return ActsFeed(sensor, hooks, trigger, context)

    return Rung(name, open_feed)
