"""A new authorized key or sudoers entry, not explained by a package."""

from __future__ import annotations

from evidence.kind import Actor
from evidence.kinds.file import Attributes, Change, Create, Explanation, Rename

from ..record import Record
from ..rule import Detection, Finding, Site, Step, Story

_KEYS = ("/authorized_keys", "/authorized_keys2")
_SUDOERS = "/etc/sudoers"


def _what(path: str) -> str | None:
    if path.endswith(_KEYS):
        return "an authorized key"
    if path == _SUDOERS or path.startswith(_SUDOERS + ".d/"):
        return "a sudoers entry"
    return None


def _find(record: Record, _site: Site) -> Finding | None:
    body = record.event.body
    if not isinstance(body, Create | Change | Rename):
        return None
    what = _what(body.path)
    if what is None or (body.explained_by is not None and body.explained_by.matches):
        return None
    added = body.added if isinstance(body, Change) else None
    if added is not None and not added:
        return None  # lines were only removed
    who = record.person.name if record.person else _process(body.actor)
    return Finding(
        entity=f"{record.agent}|{body.path}",
        summary=f"{who} added {what} on {record.host}: {body.path}",
        time=record.event.time,
        agent=record.agent,
        host=record.host,
        evidence=(record.uid,),
        person=record.person,
        details={"path": body.path, "added": "\n".join(added or ())[:2000]},
    )


def _process(actor: Actor | None) -> str:
    return f"process {actor.exe or actor.pid}" if actor is not None else "an unknown process"


_ALICE = Actor(pid=50, exe="/usr/bin/tee", uid=0, auid=1000, session=7)
_KEY = "ssh-ed25519 AAAAC3Nza mallory@example"

DETECTION = Detection(
    id="access-granted",
    version=1,
    title="New authorized key or sudoers entry",
    severity="high",
    attack=("T1098.004", "T1548.003"),
    kinds=(Create, Change, Rename),
    find=_find,
    hits=(
        Story(
            "a key is appended to a service account's authorized_keys",
            (Step(0, Change(path="/home/svc/.ssh/authorized_keys", actor=_ALICE, added=(_KEY,))),),
        ),
        Story("a drop-in appears in sudoers.d", (Step(0, Create(path="/etc/sudoers.d/zz", actor=_ALICE)),)),
        Story(
            "a file renamed over authorized_keys",
            (Step(0, Rename(path="/root/.ssh/authorized_keys", former="/root/.ssh/k", actor=_ALICE)),),
        ),
    ),
    misses=(
        Story(
            "a package brings its own sudoers drop-in",
            (
                Step(
                    0,
                    Create(
                        path="/etc/sudoers.d/tool", explained_by=Explanation(package="tool", matches=True)
                    ),
                ),
            ),
        ),
        Story(
            "a key is removed",
            (Step(0, Change(path="/root/.ssh/authorized_keys", added=(), removed=(_KEY,))),),
        ),
        Story("only the mode changes", (Step(0, Attributes(path="/root/.ssh/authorized_keys")),)),
        Story("another file of the folder", (Step(0, Create(path="/root/.ssh/known_hosts")),)),
    ),
)
