"""The kernel's sock_diag netlink: TCP sockets as they are, and the last word on each that ends."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

from ..decode.inet_diag import AF_INET, AF_INET6, TCP, dump_request
from ..decode.netlink import DONE, ERROR, messages
from ..errors import RungUnavailable
from .proc_connector import receive, widen

_NETLINK_SOCK_DIAG, _SOL_NETLINK, _ADD_MEMBERSHIP = 4, 270, 1
_TCP_DESTROY, _TCP6_DESTROY = 1, 3
_BUFFER = 4 << 20
_DATAGRAM = 256 << 10


def dump(states: int, protocol: int = TCP) -> Iterator[bytes]:
    """Yield one message's payload for each TCP (or UDP) socket of this network namespace in those states.

    Raises:
        OSError: the kernel has no inet_diag; a host without IPv6 just has none of its sockets.
    """
    for family in (AF_INET, AF_INET6):
        with _open() as asked:
            asked.settimeout(1.0)
            asked.send(dump_request(family, states, protocol))
            yield from _answer(asked, required=family == AF_INET)


class DestroyedSockets:
    """A socket subscribed to the end of every TCP socket of this network namespace."""

    def __init__(self) -> None:
        """Subscribe.

        Raises:
            RungUnavailable: the kernel has no inet_diag, or none of these groups.
        """
        try:
            self._socket = _open()
        except OSError as error:
            raise _refused(error) from error
        try:
            self._socket.settimeout(0)
            widen(self._socket, _BUFFER)
            self._socket.bind((0, 0))
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _TCP_DESTROY)
            with contextlib.suppress(OSError):  # a host without IPv6
                self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _TCP6_DESTROY)
        except OSError as error:
            self._socket.close()
            raise _refused(error) from error

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def read(self, limit: int) -> tuple[list[bytes], int]:
        """Return messages' payloads from up to limit datagrams, and how often the buffer overran since."""
        datagrams, overruns = receive(self._socket, limit)
        return [body for raw in datagrams for _, _, body in messages(raw)], overruns

    def close(self) -> None:
        """Unsubscribe."""
        self._socket.close()


def _open() -> socket.socket:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG)


def _answer(asked: socket.socket, *, required: bool) -> Iterator[bytes]:
    while True:
        for kind, _, body in messages(asked.recv(_DATAGRAM)):
            if kind == DONE:
                return
            if kind == ERROR:
                if required:
                    raise OSError(
                        -int.from_bytes(body[:4], "little", signed=True), "inet_diag refuses the dump"
                    )
                return
            yield body


def _refused(error: OSError) -> RungUnavailable:
    return RungUnavailable(
        f"sock_diag: {os.strerror(error.errno or 0)}", fix="load the kernel modules inet_diag and tcp_diag"
    )
