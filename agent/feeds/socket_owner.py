"""Name the process behind a socket: identity from the kernel, what it runs from what is known of it."""

from __future__ import annotations

from msgspec.structs import replace

from evidence.kind import Actor
from evidence.kinds.connection import Direction

from ..decode.bpf_connection import Flow
from ..decode.bpf_owner import Owner
from ..processes import same_start
from ..sensor import Processes


def holder_of(flow: Flow, direction: Direction, processes: Processes) -> Actor | None:
    """Return who holds a flow: what it ran when it connected, and what it has become since.

    A shell may open a connection and become what writes to it; netcat may connect and become a shell. Of what
    was accepted the kernel names who holds it by now, often another process than accepted it.
    """
    if direction == "in" or flow.opened is None or flow.owner is None:
        return actor_of(flow.owner, processes, flow.mono)
    owner = flow.owner
    actor = actor_of(owner, processes, flow.opened)
    became = processes.became(owner.pid, owner.start, flow.opened, flow.mono)
    return actor if actor is None or became in (None, actor.exe) else replace(actor, became=became)


def actor_of(owner: Owner | None, processes: Processes, mono: int) -> Actor | None:
    """Return the actor at mono (ns); what it runs comes from processes, if they know the same process."""
    if owner is None:
        return None
    known = processes.actor(owner.exec_pid, mono)
    if known is None or not same_start(known.start, owner.exec_start):
        known = Actor()
    return Actor(
        pid=owner.pid,
        start=owner.start,
        exe=known.exe,
        cmd_line=known.cmd_line,
        uid=owner.uid,
        auid=owner.auid,
        session=owner.session,
        unit=known.unit,
        container=known.container,
    )
