"""A new authorized key or sudoers entry, not explained by a package.

An agent that says what such a file means tells it by state.changed; the file event beside it names that kind
and is passed over, so that one act is one alert. Without that sensor the file event itself is judged.
"""

from __future__ import annotations

from evidence.kind import Actor
from evidence.kinds.file import Attributes, Change, Create, Explanation, Rename
from evidence.kinds.state import Changed

from ..one_event import finding, who
from ..record import Record
from ..rule import Detection, Finding, Site, Step, Story

_KEYS = ("/authorized_keys", "/authorized_keys2")
_SUDOERS = "/etc/sudoers"


_SOURCES = {"authorized_keys": "an authorized key", "sudoers": "a sudoers entry"}


def _what(body: Create | Change | Rename | Changed) -> str | None:
    """Return what the event grants, None when it grants nothing."""
    if isinstance(body, Changed):
        return _SOURCES.get(body.source) if body.added else None
    if body.told_by is not None or (isinstance(body, Change) and body.added == ()):
        return None  # judged by the other event; or lines were only removed
    if body.path.endswith(_KEYS):
        return "an authorized key"
    if body.path == _SUDOERS or body.path.startswith(_SUDOERS + ".d/"):
        return "a sudoers entry"
    return None


def _find(record: Record, _site: Site) -> Finding | None:
    body = record.event.body
    if not isinstance(body, Create | Change | Rename | Changed):
        return None
    what = _what(body)
    if what is None or (body.explained_by is not None and body.explained_by.matches):
        return None
    added = body.added if isinstance(body, Change | Changed) else None
    path = body.subject if isinstance(body, Changed) else body.path
    when = ", while the agent was down" if isinstance(body, Changed) and body.while_down else ""
    return finding(
        record,
        path,
        f"{who(record, _process(body.actor))} added {what} on {record.host}: {path}{when}",
        path=path,
        added="\n".join(added or ())[:2000],
    )


def _process(actor: Actor | None) -> str:
    return f"process {actor.exe or actor.pid}" if actor is not None else "an unknown process"


_ALICE = Actor(pid=50, exe="/usr/bin/tee", uid=0, auid=1000, session=7)
_KEY = "ssh-ed25519 AAAAC3Nza mallory@example"
_PATH = "/home/svc/.ssh/authorized_keys"
_NEW_KEY = Changed(
    source="authorized_keys",
    subject=_PATH,
    change="appeared",
    path=_PATH,
    added=("SHA256:x, ssh-ed25519, comment mallory@example",),
    actor=_ALICE,
)
_SUDO_TOOL = Changed(
    source="sudoers",
    subject="/etc/sudoers.d/tool",
    change="appeared",
    added=("tool ALL=(ALL) NOPASSWD: /usr/bin/tool",),
    explained_by=Explanation(package="tool", matches=True),
)

DETECTION = Detection(
    id="access-granted",
    version=1,
    title="New authorized key or sudoers entry",
    severity="high",
    attack=("T1098.004", "T1548.003"),
    kinds=(Create, Change, Rename, Changed),
    find=_find,
    hits=(
        Story("a key is told with its fingerprint", (Step(0, _NEW_KEY),)),
        Story(
            "file and state both tell of a key: one alert",
            (
                Step(0, Create(path=_PATH, actor=_ALICE, told_by="state.changed")),
                Step(1, _NEW_KEY),
            ),
        ),
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
            "the file event beside a state.changed, which is judged itself",
            (Step(0, Create(path=_PATH, actor=_ALICE, told_by="state.changed")),),
        ),
        Story("a package brings a sudoers drop-in, told by what it says", (Step(0, _SUDO_TOOL),)),
        Story(
            "a key goes, told by what the file says",
            (Step(0, Changed(source="authorized_keys", subject=_PATH, change="changed", removed=("k",))),),
        ),
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
