"""Login uid or audit session rewritten without a login; the person stays the former."""

from __future__ import annotations

from evidence.kind import Actor
from evidence.kinds.process import Exec, IdentityChanged

from ..record import Record
from ..rule import Detection, Finding, Site, Step, Story


def _find(record: Record, _site: Site) -> Finding | None:
    body = record.event.body
    if not isinstance(body, IdentityChanged):
        return None
    who = record.person.name if record.person else "somebody"
    return Finding(
        entity=f"{record.agent}|{record.boot}|{body.actor.pid}",
        summary=(
            f"{who} rewrote the login identity on {record.host}: login uid {body.former_auid} became "
            f"{body.actor.auid} without a login (process {body.actor.exe or body.actor.pid})"
        ),
        time=record.event.time,
        agent=record.agent,
        host=record.host,
        evidence=(record.uid,),
        person=record.person,
    )


_FORGED = IdentityChanged(
    actor=Actor(pid=90, exe="/bin/sh", uid=0, auid=1001, session=8), former_auid=1000, former_session=7
)

DETECTION = Detection(
    id="identity-changed",
    version=1,
    title="Login identity rewritten",
    severity="high",
    attack=("T1036", "T1134"),
    kinds=(IdentityChanged,),
    find=_find,
    hits=(Story("root wrote another login uid over its own", (Step(0, _FORGED),)),),
    misses=(
        Story(
            "an ordinary command runs under the identity of its login", (Step(0, Exec(pid=90, auid=1000)),)
        ),
    ),
)
