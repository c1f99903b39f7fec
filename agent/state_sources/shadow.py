"""Passwords and their ageing (shadow(5), gshadow(5)): whose, and which field; values are kept as digests."""

from __future__ import annotations

from ..state_diff import Snapshot
from ..state_source import Found, Place, Source

_FIELDS = ("last change", "minimum age", "maximum age", "warning", "inactive", "expiry")
_SHADOW, _GSHADOW = 9, 4
_LOCKS = "!*"


def parse(found: Found) -> Snapshot:
    """Return by user the fields; ``locked`` and ``no password`` as lines where they hold."""
    users: Snapshot = {}
    group = found.path.endswith("gshadow")
    for line in found.content.split(b"\n"):
        columns = line.decode("utf-8", "replace").split(":")
        if len(columns) != (_GSHADOW if group else _SHADOW) or not columns[0]:
            continue
        name, password = columns[0], columns[1]
        said = {"password": password.lstrip(_LOCKS)}
        if not password:
            said["no password"] = ""
        elif password[0] in _LOCKS:
            said["locked"] = ""
        fields = ("administrators", "members") if group else _FIELDS
        said |= {key: value for key, value in zip(fields, columns[2:], strict=False) if value}
        subject = f"group {name}" if group else name
        users.setdefault(
            subject, {key: value for key, value in said.items() if value or key in {"locked", "no password"}}
        )
    return users


SOURCE = Source(
    "shadow",
    lambda _homes: (Place("/etc", "shadow"), Place("/etc", "gshadow")),
    parse,
    secret=True,
    packaged=True,
    limit=4 << 20,
)
