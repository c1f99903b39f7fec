"""Write one line to the syslog daemon's socket, as logger(1) does."""

from __future__ import annotations

import socket

_AUTHPRIV_INFO = 10 * 8 + 6


def send_line(path: str, tag: str, pid: int, text: str) -> None:
    """Send text in tag's name, facility authpriv, level info; without waiting.

    Raises:
        OSError: nobody listens at path, or it cannot take the line now.
    """
    line = f"<{_AUTHPRIV_INFO}>{tag}[{pid}]: {text}".encode()
    with socket.socket(
        socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    ) as sock:
        sock.connect(path)
        sock.send(line)
