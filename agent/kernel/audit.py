"""The kernel's audit records, read only: the multicast group beside auditd, and the count of lost ones.

Multicast (NETLINK_AUDIT, AUDIT_NLGRP_READLOG) takes nothing from auditd and makes no system call wait: what
we do not read in time is dropped for us alone, and told by ENOBUFS. No rule is set here.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

from ..decode.netlink import HEADER
from ..errors import RungUnavailable
from .proc_connector import receive, widen

_NETLINK_AUDIT = 9
_READLOG = 1
"""The group's bit."""
_GET, _REQUEST = 1000, 1
_STATUS = struct.Struct("=8I")
_LOST = 6
"""Place of `lost` in struct audit_status."""
_BUFFER = 16 << 20


class AuditReader:
    """A member of the multicast group, and a socket of its own for the counter."""

    def __init__(self) -> None:
        """Join the group.

        Raises:
            RungUnavailable: not permitted, or a kernel without audit.
        """
        self._lost: int | None = None
        try:
            self._records = _socket()
            self._control = _socket()
        except OSError as error:
            raise RungUnavailable(f"audit: {os.strerror(error.errno or 0)}") from error
        try:
            widen(self._records, _BUFFER)
            self._control.bind((0, 0))
            self._records.bind((0, _READLOG))
        except OSError as error:
            self.close()
            fix = "run as root, or with CAP_AUDIT_READ" if error.errno == errno.EPERM else None
            raise RungUnavailable(f"audit multicast: {os.strerror(error.errno or 0)}", fix) from error

    def fileno(self) -> int:
        """Return the descriptor that is readable while records wait."""
        return self._records.fileno()

    def read(self, limit: int) -> tuple[list[bytes], int]:
        """Return up to limit datagrams, and how often our buffer overran."""
        return receive(self._records, limit)

    def lost(self) -> int | None:
        """Return the kernel's count of records lost since boot, as it answered the last call.

        None where it has not answered yet, or may not be asked.
        """
        try:
            for raw in receive(self._control, 16)[0]:
                if len(raw) >= HEADER.size + _STATUS.size and HEADER.unpack_from(raw)[1] == _GET:
                    self._lost = int(_STATUS.unpack_from(raw, HEADER.size)[_LOST])
            self._control.send(HEADER.pack(HEADER.size, _GET, _REQUEST, 1, 0))
        except OSError:
            return self._lost
        return self._lost

    def close(self) -> None:
        """Leave the group."""
        self._records.close()
        self._control.close()


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_AUDIT)
    made.settimeout(0)
    return made
