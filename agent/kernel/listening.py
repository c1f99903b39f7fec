"""The sockets that listen in this network namespace, and the process that owns each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from ..decode.inet_diag import CLOSE, LISTEN, TCP, UDP, Socket, parse
from .procfs import socket_owners
from .sock_diag import dump

SOCKETS = 2000
_DESCRIPTORS = 50_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


class Listening(msgspec.Struct, frozen=True):
    """One socket: ``tcp 0.0.0.0:22``, the pid that owns it and its program, where they are known."""

    name: str
    pid: int | None = None
    program: str | None = None


class ListeningSockets:
    """Reads them again and again; owners are looked up once a socket, for that walks through /proc."""

    def __init__(self) -> None:
        self._owners: dict[int, tuple[int | None, str | None]] = {}

    def read(self) -> list[Listening]:
        """Return the sockets by name; of UDP those bound below the range that clients are given.

        Raises:
            OSError: the kernel has no inet_diag.
        """
        found: dict[str, Socket] = {}
        for protocol, name, state in ((TCP, "tcp", LISTEN), (UDP, "udp", CLOSE)):
            for socket in _sockets(protocol, state):
                if len(found) < SOCKETS:
                    found.setdefault(_name(name, socket), socket)
        inodes = {socket.inode for socket in found.values() if socket.inode is not None}
        new = inodes - self._owners.keys()
        self._owners = {inode: owner for inode, owner in self._owners.items() if inode in inodes}
        if new:
            pids = socket_owners(new, _DESCRIPTORS)
            for inode in new:
                pid = pids.get(inode)
                self._owners[inode] = pid, None if pid is None else _program(pid)
        return [self._owned(name, found[name]) for name in sorted(found)]

    def _owned(self, name: str, socket: Socket) -> Listening:
        pid, program = self._owners.get(socket.inode or 0, (None, None))
        return Listening(name, pid, program)


def _sockets(protocol: int, state: int) -> Iterator[Socket]:
    served = _first_client_port() if protocol == UDP else 1 << 16
    for raw in dump(1 << state, protocol):
        with suppress(ValueError):
            socket = parse(raw)
            if socket.local.port is not None and socket.local.port < served:
                yield socket


def _name(protocol: str, socket: Socket) -> str:
    ip = socket.local.ip
    return f"{protocol} [{ip}]:{socket.local.port}" if ":" in ip else f"{protocol} {ip}:{socket.local.port}"


def _program(pid: int) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/exe").readlink()).encode("utf-8", "replace").decode()
    except OSError:
        return None


def _first_client_port() -> int:
    try:
        return int(_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768
