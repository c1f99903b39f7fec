"""Shows events live on a unix socket (SOCK_SEQPACKET, 0600): one packet an event, as JSON.

A reader that is too slow misses packets, and is told how many when it catches up; watch never waits for it.
"""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path

import msgspec

FILE = "tail.sock"
CLIENTS = 8
_BUFFER = 1 << 20


class Missed(msgspec.Struct, frozen=True):
    """The packet that tells a slow reader how many events it did not get."""

    missed: int


class TailServer:
    """The listening socket and its readers, all non-blocking."""

    def __init__(self, folder: Path) -> None:
        """Listen in folder.

        Raises:
            OSError: the socket cannot be made there.
        """
        self._path = folder / FILE
        self._path.unlink(missing_ok=True)
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        self._listening.settimeout(0)
        before = os.umask(0o177)
        try:
            self._listening.bind(str(self._path))
        finally:
            os.umask(before)
        self._listening.listen(CLIENTS)
        self._readers: dict[socket.socket, int] = {}

    def fileno(self) -> int:
        """Return the descriptor that is readable when a reader connects."""
        return self._listening.fileno()

    def accept(self) -> None:
        """Take a reader; one too many is turned away."""
        with suppress(OSError):
            reader, _ = self._listening.accept()
            if len(self._readers) >= CLIENTS:
                reader.close()
                return
            reader.settimeout(0)
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            self._readers[reader] = 0

    def publish(self, packet: bytes) -> None:
        """Send an encoded event to every reader that has room for it."""
        if not self._readers:
            return
        for reader in list(self._readers):
            if self._caught_up(reader) and self._send(reader, packet):
                continue
            if reader in self._readers:
                self._readers[reader] += 1

    def close(self) -> None:
        """Close all and remove the socket."""
        for reader in self._readers:
            reader.close()
        self._listening.close()
        with suppress(OSError):
            self._path.unlink()

    def _caught_up(self, reader: socket.socket) -> bool:
        """Tell a reader what it missed; False while it still has no room."""
        missed = self._readers[reader]
        if not missed:
            return True
        if not self._send(reader, msgspec.json.encode(Missed(missed))):
            return False
        self._readers[reader] = 0
        return True

    def _send(self, reader: socket.socket, packet: bytes) -> bool:
        try:
            reader.send(packet, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in (errno.EMSGSIZE, errno.ENOBUFS):
                return False
            reader.close()
            del self._readers[reader]
            return False
        return True
