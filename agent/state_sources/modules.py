"""Modules in the running kernel (/proc/modules, proc(5)), by name."""

from __future__ import annotations

from ..state_diff import Snapshot
from ..state_source import Found, Place, Source

_MODULES = 2000


def parse(found: Found) -> Snapshot:
    """Return one subject with a line for each module."""
    lines = found.content.decode("utf-8", "replace").splitlines()[:_MODULES]
    return {"kernel modules": {words[0]: "" for line in lines if (words := line.split(maxsplit=1))}}


SOURCE = Source("modules", lambda _homes: (Place("/proc", "modules"),), parse, every=60.0)
