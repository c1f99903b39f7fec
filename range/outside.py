"""Two servers outside this host: in a network namespace, or on loopback where that is not permitted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NAMESPACE = "vedette-demo"
_LINK, _PEER, _HERE = "vedette-demo0", "vedette-demo1", "203.0.113.1/24"
_PORT = "8080"


@dataclass
class Server:
    """One receiver: where it listens, and what it says it received."""

    address: str
    port: int
    process: subprocess.Popen[str]
    log: Path

    def bytes_received(self) -> int:
        """Return all bytes that uploads brought so far."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return sum(line.get("bytes", 0) for line in lines)


@dataclass(frozen=True)
class Outside:
    """The destination nobody knows, and the site's own backup host."""

    stranger: Server
    backup: Server
    loopback: bool


@contextmanager
def outside(folder: Path) -> Iterator[Outside]:
    """Start both servers; their addresses are 203.0.113.9 and .10, or 127.0.0.9 and .10 on loopback."""
    separate = os.geteuid() == 0 and _make_namespace()
    network, prefix = ("203.0.113", ["ip", "netns", "exec", NAMESPACE]) if separate else ("127.0.0", [])
    servers: list[Server] = []
    try:
        servers.extend(
            _start([*prefix, sys.executable, "-m", "range.receiver"], f"{network}.{last}", folder)
            for last in (9, 10)
        )
        yield Outside(servers[0], servers[1], loopback=not separate)
    finally:
        for server in servers:
            server.process.kill()
            server.process.wait()
        if separate:
            remove_namespace()


def _start(command: list[str], address: str, folder: Path) -> Server:
    port = _PORT if not address.startswith("127.") else "0"
    log = folder / f"received-{address}"
    log.touch()
    process = subprocess.Popen([*command, address, port, str(log)], text=True)
    for _ in range(200):
        first = log.read_text().partition("\n")
        if first[1]:
            return Server(address, json.loads(first[0])["listening"], process, log)
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        break
    raise RuntimeError(f"the receiver on {address} did not start")


def _make_namespace() -> bool:
    """Return whether a namespace with a link to this host could be made."""
    remove_namespace()
    steps = (
        f"ip netns add {NAMESPACE}",
        f"ip link add {_LINK} type veth peer name {_PEER} netns {NAMESPACE}",
        f"ip addr add {_HERE} dev {_LINK}",
        f"ip link set {_LINK} up",
        f"ip -n {NAMESPACE} addr add 203.0.113.9/24 dev {_PEER}",
        f"ip -n {NAMESPACE} addr add 203.0.113.10/24 dev {_PEER}",
        f"ip -n {NAMESPACE} link set {_PEER} up",
        f"ip -n {NAMESPACE} link set lo up",
    )
    for step in steps:
        if subprocess.run(step.split(), capture_output=True, check=False).returncode != 0:
            remove_namespace()
            return False
    return True


def remove_namespace() -> None:
    """Remove the namespace and the link, if they are there."""
    for step in (f"ip link del {_LINK}", f"ip netns del {NAMESPACE}"):
        try:
            subprocess.run(step.split(), capture_output=True, check=False)
        except FileNotFoundError:
            return
