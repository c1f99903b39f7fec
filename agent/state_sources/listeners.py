"""Sockets that listen, such as ``tcp 0.0.0.0:22``, and the program that owns them."""

from __future__ import annotations

from ..state_diff import Snapshot
from ..state_source import Found, Source


def parse(found: Found) -> Snapshot:
    """Return the owner's program as a line; a socket without an owner has none."""
    program = found.content.decode("utf-8", "replace")
    return {found.path: {program: ""} if program else {}}


SOURCE = Source("listeners", lambda _homes: (), parse, reads="sockets", every=60.0)
