"""Run in a network and mount namespace of its own: resolve a name with the C library, and connect to it.

Usage: dns_resolver.py NAME ADDRESS. The server, the resolv.conf and the peer are its own.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from tests.system.dns_server import DnsServer


def main() -> None:
    """Resolve and connect."""
    name, address = sys.argv[1:]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "etc", "/etc"], check=True)  # in this namespace only
    Path("/etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    Path("/etc/nsswitch.conf").write_text("hosts: files dns\n")
    with DnsServer("127.0.0.1", 53, addresses=(address,)), socket.create_server((address, 0)) as peer:
        port = peer.getsockname()[1]
        print(port, flush=True)
        with socket.create_connection((name, port), timeout=10) as connection:
            accepted, _ = peer.accept()
            connection.sendall(b"hello")
            accepted.close()


if __name__ == "__main__":
    main()
