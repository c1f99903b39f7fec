"""Messages to the service manager."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from agent.supervision.notify import Notifier


def test_the_manager_hears_ready_alive_and_stopping(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(10)
        notifier = Notifier({"NOTIFY_SOCKET": path})
        notifier.ready("sees")
        notifier.alive("sees")
        notifier.stopping()
        assert [manager.recv(100) for _ in range(3)] == [
            b"READY=1\nSTATUS=sees",
            b"WATCHDOG=1\nSTATUS=sees",
            b"STOPPING=1",
        ]


def test_an_abstract_socket_works() -> None:
    name = f"vedette-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.settimeout(10)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready("x")
        assert manager.recv(100).startswith(b"READY=1")


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    Notifier({}).ready("x")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).alive("x")


def test_a_status_of_several_lines_is_no_further_message(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(10)
        Notifier({"NOTIFY_SOCKET": path}).alive("HTTP 500:\nMAINPID=1")
        assert manager.recv(100) == b"WATCHDOG=1\nSTATUS=HTTP 500: MAINPID=1"


def test_the_watchdog_interval_is_for_this_process_or_its_supervisor_only() -> None:
    assert Notifier({}).watchdog is None
    assert Notifier({"WATCHDOG_USEC": "30000000"}).watchdog == 30
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}).watchdog == 30
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).watchdog is None
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, supervisor=1).watchdog == 30
    assert Notifier({"WATCHDOG_USEC": "many"}).watchdog is None
