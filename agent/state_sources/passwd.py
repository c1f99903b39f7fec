"""Accounts (passwd(5)): which exist, and the kind of field that changed; never a value."""

from __future__ import annotations

from ..decode.passwd import is_login_shell
from ..state_diff import Snapshot
from ..state_source import Found, Place, Source

_FIELDS = ("uid", "gid", "comment", "home", "shell")
_COLUMNS = 7


def parse(found: Found) -> Snapshot:
    """Return an account's fields; ``uid 0``, ``login shell`` and ``no password`` as lines where they hold."""
    accounts: Snapshot = {}
    for line in found.content.split(b"\n"):
        columns = line.decode("utf-8", "replace").split(":")
        if len(columns) != _COLUMNS or not columns[0]:
            continue
        name, password, *rest = columns
        said = dict(zip(_FIELDS, rest, strict=True))
        if said["uid"].strip("0") == "" and said["uid"]:
            said["uid 0"] = ""
        if is_login_shell(said["shell"]):
            said["login shell"] = ""
        if not password:
            said["no password"] = ""
        accounts.setdefault(name, {key: value for key, value in said.items() if value or key not in _FIELDS})
    return accounts


SOURCE = Source(
    "passwd", lambda _homes: (Place("/etc", "passwd"),), parse, secret=True, packaged=True, limit=4 << 20
)
