"""Installed packages of dpkg (/var/lib/dpkg/status): one difference for a whole transaction (R28)."""

from __future__ import annotations

import re

from ..package_diff import package_differences
from ..state_diff import Snapshot
from ..state_source import Found, Place, Source

_FIELD = re.compile(rb"^(Package|Status|Version|Architecture): *(\S[^\n]*)", re.MULTILINE)
_STANZA = re.compile(rb"\n[ \t]*\n")


def parse(found: Found) -> Snapshot:
    """Return name to version of what is installed; a name with its architecture where it stands twice."""
    versions: dict[str, str] = {}
    for stanza in _STANZA.split(found.content):
        fields = {key: value.decode("utf-8", "replace").strip() for key, value in _FIELD.findall(stanza)}
        name, version = fields.get(b"Package"), fields.get(b"Version")
        if name and version and fields.get(b"Status", "").endswith(" installed"):
            other = f"{name}:{fields.get(b'Architecture', '')}"
            versions[other if name in versions else name] = version
    return {"dpkg": versions}


SOURCE = Source(
    "packages",
    lambda _homes: (Place("/var/lib/dpkg", "status"),),
    parse,
    diff=package_differences,
    quiet=5.0,
    patience=900.0,
    packaged=True,
    limit=64 << 20,
)
