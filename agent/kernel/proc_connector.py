"""The kernel's process connector: a netlink socket that tells of each exec and exit, by pid alone."""

from __future__ import annotations

import errno
import os
import socket

from ..decode.connector import listen_request
from ..errors import RungUnavailable

_NETLINK_CONNECTOR, _CN_IDX_PROC = 11, 1
_SO_RCVBUFFORCE = 33
_BUFFER = 8 << 20
_DATAGRAM = 64 << 10


class ProcConnector:
    """The socket, subscribed."""

    def __init__(self) -> None:
        """Subscribe.

        Raises:
            RungUnavailable: not permitted, or not in this network namespace.
        """
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _NETLINK_CONNECTOR
        )
        try:
            self._socket.settimeout(0)
            widen(self._socket, _BUFFER)
            self._socket.bind((0, _CN_IDX_PROC))
            self._socket.send(listen_request(self._socket.getsockname()[0]))
        except OSError as error:
            self._socket.close()
            raise _refused(error) from error

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def read(self, limit: int) -> list[bytes]:
        """Return up to limit datagrams that wait. An overrun shows as a gap in their sequence numbers."""
        return receive(self._socket, limit)[0]

    def close(self) -> None:
        """Unsubscribe."""
        self._socket.close()


def receive(from_: socket.socket, limit: int) -> tuple[list[bytes], int]:
    """Return up to limit datagrams that wait in a netlink socket, and how often it overran (ENOBUFS)."""
    found: list[bytes] = []
    overruns = 0
    while len(found) < limit:
        try:
            found.append(from_.recv(_DATAGRAM))
        except BlockingIOError:
            break
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            overruns += 1
    return found, overruns


def widen(receiver: socket.socket, size: int) -> None:
    """Give a socket a receive buffer of size bytes, or of what the host allows the unprivileged."""
    try:
        receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except PermissionError:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def _refused(error: OSError) -> RungUnavailable:
    if error.errno in (errno.EPERM, errno.EACCES):
        return RungUnavailable(
            "the process connector is not permitted", fix="run as root, or with CAP_NET_ADMIN"
        )
    if error.errno == errno.ECONNREFUSED:
        return RungUnavailable(
            "the process connector does not answer in this network namespace, or the kernel has none",
            fix="run in the host's network namespace, with CONFIG_PROC_EVENTS",
        )
    return RungUnavailable(f"the process connector: {os.strerror(error.errno or 0)}")
