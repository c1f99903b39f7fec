"""Networks and addresses as rules compare them. Pure."""

from __future__ import annotations

import functools
import ipaddress

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network(cidr: str) -> str:
    """Return a network in one form.

    Raises:
        ValueError: it is none.
    """
    return str(ipaddress.ip_network(cidr, strict=False))


@functools.lru_cache(1024)
def _parsed(cidr: str) -> _Network:
    return ipaddress.ip_network(cidr)


def is_in(address: str, cidr: str) -> bool:
    """Return whether a text is an address of a network; an IPv4 address within IPv6 counts as IPv4."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found) in _parsed(cidr)
