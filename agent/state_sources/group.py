"""Groups (group(5)): which exist, and who is in them."""

from __future__ import annotations

from ..state_diff import Snapshot
from ..state_source import Found, Place, Source

_COLUMNS = 4


def parse(found: Found) -> Snapshot:
    """Return a line for each member, and the gid as a field."""
    groups: Snapshot = {}
    for line in found.content.split(b"\n"):
        columns = line.decode("utf-8", "replace").split(":")
        if len(columns) != _COLUMNS or not columns[0]:
            continue
        members = {name: "" for name in columns[3].split(",") if name}
        groups.setdefault(columns[0], members | {"gid": columns[2]})
    return groups


SOURCE = Source("group", lambda _homes: (Place("/etc", "group"),), parse, packaged=True, limit=4 << 20)
