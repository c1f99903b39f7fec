"""The network interfaces of this namespace, with hardware address and IP addresses; over netlink alone."""

from __future__ import annotations

import socket
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from evidence.kinds.state import Interface

from ..decode.netlink import DONE, ERROR, messages
from ..decode.rtnetlink import address_request, parse_address

INTERFACES = 128
ADDRESSES = 16
_CLASS = Path("/sys/class/net")
_DATAGRAM = 256 << 10
_NO_MAC = "00:00:00:00:00:00"


def interfaces() -> tuple[Interface, ...]:
    """Return the interfaces by name, at most 128 with 16 addresses each.

    Raises:
        OSError: the kernel refuses the dump.
    """
    addresses = _addresses()
    return tuple(
        Interface(name=name, mac=_mac(name), addresses=tuple(sorted(addresses[index])[:ADDRESSES]))
        for index, name in sorted(socket.if_nameindex(), key=lambda one: one[1])[:INTERFACES]
    )


def _addresses() -> defaultdict[int, list[str]]:
    """Return the addresses by index of their interface."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as asked:
        asked.settimeout(1.0)
        asked.send(address_request())
        while True:
            for kind, _, body in messages(asked.recv(_DATAGRAM)):
                if kind == DONE:
                    return found
                if kind == ERROR:
                    raise OSError(-int.from_bytes(body[:4], "little", signed=True), "rtnetlink refuses")
                with suppress(ValueError):
                    one = parse_address(body)
                    found[one.index].append(one.address)


def _mac(name: str) -> str | None:
    try:
        text = (_CLASS / name / "address").read_text().strip()
    except OSError:
        return None
    return text if text and text != _NO_MAC else None
