"""Two network namespaces of our own, joined by one cable: a host, and its collector."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HOST_ADDRESS = "10.77.0.2"
COLLECTOR_ADDRESS = "10.77.0.1"


@dataclass(frozen=True)
class Link:
    """The namespaces' names under /run/netns, and their ends of the cable."""

    host: str
    collector: str

    @property
    def host_path(self) -> Path:
        """Where the namespace of the host is bound."""
        return Path("/run/netns") / self.host

    @property
    def collector_path(self) -> Path:
        """Where the namespace of the collector is bound."""
        return Path("/run/netns") / self.collector

    def up(self) -> None:
        """Give both ends their address, again after a reboot has taken one down."""
        for name, address in ((self.host, HOST_ADDRESS), (self.collector, COLLECTOR_ADDRESS)):
            for words in (
                ("link", "set", "lo", "up"),
                ("address", "replace", f"{address}/24", "dev", "uplink"),
                ("link", "set", "uplink", "up"),
            ):
                _ip("-n", name, *words)


@contextmanager
def linked(label: str) -> Iterator[Link]:
    """Make two joined namespaces, named after label and this process; they end with the block."""
    link = Link(f"vd{os.getpid()}{label}h", f"vd{os.getpid()}{label}c")
    try:
        _ip("netns", "add", link.host)
        _ip("netns", "add", link.collector)
        _ip("-n", link.host, "link", "add", "uplink", "type", "veth",
            "peer", "name", "uplink", "netns", link.collector)  # fmt: skip
        link.up()
        yield link
    finally:
        for name in (link.host, link.collector):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
