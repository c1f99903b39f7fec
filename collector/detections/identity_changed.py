"""Login uid or audit session rewritten without a login; the person stays the former."""

from __future__ import annotations

from evidence.kind import Actor
from evidence.kinds.process import Exec, IdentityChanged

from ..one_event import finding, who
from ..record import Record
from ..rule import Detection, Finding, Site, Step, Story


def _find(record: Record, _site: Site) -> Finding | None:
    body = record.event.body
    if not isinstance(body, IdentityChanged):
        return None
    return finding(
        record,
        f"{record.boot}|{body.actor.pid}",
        f"{who(record, 'somebody')} rewrote the login identity on {record.host}: login uid "
        f"{body.former_auid} became {body.actor.auid} without a login "
        f"(process {body.actor.exe or body.actor.pid})",
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
