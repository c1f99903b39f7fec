"""A person reached into a process of another user: its memory holds that user's secrets."""

from __future__ import annotations

from evidence.kind import Actor
from evidence.kinds.act import Ptrace

from ..one_event import finding, who
from ..record import Record
from ..rule import Detection, Finding, Site, Step, Story

_VERBS = {
    "attach": "attached to",
    "seize": "attached to",
    "read": "read the memory of",
    "write": "wrote the memory of",
    "descriptor": "took a descriptor of",
    "access": "reached into",
}


def _find(record: Record, _site: Site) -> Finding | None:
    body = record.event.body
    if not isinstance(body, Ptrace) or body.actor is None or body.tracee is None:
        return None
    actor, tracee = body.actor, body.tracee
    if actor.auid is None or tracee.uid is None or tracee.uid in (actor.uid, actor.auid):
        return None
    return finding(
        record,
        f"{record.boot}|{actor.pid}|{tracee.pid}",
        f"{who(record, f'login uid {actor.auid}')} {_VERBS[body.request]} {tracee.exe or 'a process'} "
        f"(pid {tracee.pid}) of user {tracee.uid} on {record.host}, "
        f"with {actor.exe or 'an unknown program'}",
        request=body.request,
    )


_ALICE = Actor(pid=50, exe="/usr/bin/gdb", uid=0, auid=1000, session=7)
_AGENT = Actor(pid=9, exe="/usr/bin/ssh-agent", uid=1001)

DETECTION = Detection(
    id="foreign-ptrace",
    version=1,
    title="Process of another user reached into",
    severity="high",
    attack=("T1055.008", "T1003.007"),
    kinds=(Ptrace,),
    find=_find,
    hits=(
        Story(
            "root's debugger attaches to another person's ssh-agent",
            (Step(0, Ptrace(request="attach", actor=_ALICE, tracee=_AGENT)),),
        ),
    ),
    misses=(
        Story(
            "a person debugs a program of their own",
            (
                Step(
                    0,
                    Ptrace(
                        request="seize",
                        actor=Actor(pid=5, uid=1000, auid=1000),
                        tracee=Actor(pid=6, uid=1000),
                    ),
                ),
            ),
        ),
        Story(
            "sudo strace on one's own process",
            (Step(0, Ptrace(request="seize", actor=_ALICE, tracee=Actor(pid=6, uid=1000))),),
        ),
        Story(
            "a service that nobody logged in to start",
            (Step(0, Ptrace(request="attach", actor=Actor(pid=5, uid=0), tracee=_AGENT)),),
        ),
    ),
)
