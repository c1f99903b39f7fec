"""Messages to systemd: ready, still alive, stopping (sd_notify(3)). Silent where systemd does not ask."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


class Notifier:
    """The notification socket of the service manager, if there is one."""

    def __init__(self, environment: Mapping[str, str], supervisor: int | None = None) -> None:
        """Take NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID (this process or its supervisor)."""
        path = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) in (str(os.getpid()), str(supervisor))
        micros = environment.get("WATCHDOG_USEC", "")
        self.watchdog = int(micros) / 1e6 if ours and micros.isdecimal() and int(micros) else None
        """Seconds within which the manager wants to hear from us; None when it does not."""

    @property
    def listens(self) -> bool:
        """Whether there is a manager: this process is a unit of its own."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """Say that start-up is over."""
        self._send(f"READY=1\nSTATUS={_one_line(status)}")

    def alive(self, status: str) -> None:
        """Say that work makes progress."""
        self._send(f"WATCHDOG=1\nSTATUS={_one_line(status)}")

    def stopping(self) -> None:
        """Say that the end is wanted."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock,
        ):
            sock.settimeout(0)
            sock.sendto(message.encode(), self._address)


def _one_line(status: str) -> str:
    """Return status without what would begin another message: it may quote what a collector answered."""
    return " ".join(status.split())
