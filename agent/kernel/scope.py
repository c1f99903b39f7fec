"""What the kernel's programs see: the whole host, or the agent's own pid and network namespace.

The value is struct scope of bpf/scope.h, written into the object before it loads.
"""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec

from ..errors import RungUnavailable

_NAMESPACES = Path("/proc/self/ns")


class Scope(msgspec.Struct, frozen=True):
    """The inode numbers of the namespaces to which the programs keep; 0 stands for all."""

    pid: int = 0
    net: int = 0

    @property
    def value(self) -> bytes:
        """The bytes the programs read."""
        return struct.pack("=II", self.pid, self.net)


HOST = Scope()


def own() -> Scope:
    """Return the scope of this process's namespaces.

    Raises:
        RungUnavailable: /proc does not tell them.
    """
    try:
        return Scope((_NAMESPACES / "pid").stat().st_ino, (_NAMESPACES / "net").stat().st_ino)
    except OSError as error:
        raise RungUnavailable(
            f"the namespaces of this process are unknown: {error}", "mount /proc"
        ) from error
