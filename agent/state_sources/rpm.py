"""Installed packages as rpm lists them, asked for when its database changed: one difference a transaction."""

from __future__ import annotations

from ..package_diff import package_differences
from ..state_diff import Snapshot
from ..state_source import Found, Place, Source

_FIELDS = 3


def parse(found: Found) -> Snapshot:
    """Return name to version-release; a name with architecture, and version too, where it repeats."""
    versions: dict[str, str] = {}
    for line in sorted(found.content.decode("utf-8", "replace").splitlines()):
        fields = line.split("\t")
        if len(fields) == _FIELDS and fields[0] and fields[1]:
            name, version, architecture = fields
            for key in (name, f"{name}:{architecture}", f"{name}:{architecture} {version}"):
                if key not in versions:
                    versions[key] = version
                    break
    return {"rpm": versions}


SOURCE = Source(
    "rpm",
    lambda _homes: (
        *(Place("/var/lib/rpm", name) for name in ("rpmdb.sqlite", "Packages", "Packages.db")),
        *(Place("/usr/lib/sysimage/rpm", name) for name in ("rpmdb.sqlite", "Packages.db")),
    ),
    parse,
    reads="rpm",
    diff=package_differences,
    quiet=5.0,
    packaged=True,
    patience=900.0,
    limit=64 << 20,
)
