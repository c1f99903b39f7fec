"""Run in a network and mount namespace of its own: resolve a name with the C library, and connect to it.

Usage: dns_resolver.py NAME ADDRESS. The server, the resolv.conf and the peer are its own.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.system.dns_server import DnsServer


def put_in_place(text: str, path: str) -> None:
    """Show text at path, in this mount namespace only."""
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(text)
    subprocess.run(["mount", "--bind", file.name, path], check=True)
    Path(file.name).unlink()


def main() -> None:
    """Resolve and connect."""
    name, address = sys.argv[1:]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    put_in_place("nameserver 127.0.0.1\n", "/etc/resolv.conf")
    put_in_place("hosts: files dns\n", "/etc/nsswitch.conf")
    with DnsServer("127.0.0.1", 53, addresses=(address,)), socket.create_server((address, 0)) as peer:
        port = peer.getsockname()[1]
        print(port, flush=True)
        with socket.create_connection((name, port), timeout=10) as connection:
            accepted, _ = peer.accept()
            connection.sendall(b"hello")
            accepted.close()


if __name__ == "__main__":
    main()
