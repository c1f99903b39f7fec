"""Name the process behind a socket: identity from the kernel, what it runs from what is known of it."""

from __future__ import annotations

from evidence.kind import Actor

from ..decode.bpf_owner import Owner
from ..processes import same_start
from ..sensor import Processes


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
