"""The one connection every connection feed must see before it is believed."""

from __future__ import annotations

import socket
from collections.abc import Callable

from evidence.kind import Body
from evidence.kinds.connection import Close, Open, Report


class LoopbackConnection:
    """A connection of this process to itself, open until close."""

    def __init__(self) -> None:
        """Connect.

        Raises:
            OSError: there is no loopback.
        """
        with _server() as server:
            self._client = socket.create_connection(server.getsockname()[:2], timeout=1)
            self._accepted, _ = server.accept()
        self.port: int = self._client.getsockname()[1]

    def seen(self, body: Body) -> bool:
        """Return whether body is the connecting end of it."""
        return isinstance(body, Open | Report | Close) and body.local.port == self.port

    def close(self) -> None:
        """Close both ends."""
        self._client.close()
        self._accepted.close()


def connect_once() -> Callable[[Body], bool]:
    """Open and close one connection, and return the test that recognises it."""
    connection = LoopbackConnection()
    connection.close()
    return connection.seen


def _server() -> socket.socket:
    """Listen on a loopback address; a host may have only one of the two families."""
    try:
        return socket.create_server(("127.0.0.1", 0))
    except OSError:
        return socket.create_server(("::1", 0), family=socket.AF_INET6)
