"""From where somebody comes: the place of an address, or the wide network it is in. Pure."""

from __future__ import annotations

import functools
import ipaddress

from ..organisation.known import Known

_V4, _V6 = 16, 32
"""Prefix lengths within which a provider's addresses lie close together."""


def origin(ip: str, known: Known) -> str | None:
    """Return the place of a public address, else its network; None of our own networks and of services."""
    near = network(ip)
    if near is None or known.use(ip) is not None:
        return None
    return known.place(ip) or near


@functools.lru_cache(65_536)
def network(ip: str) -> str | None:
    """Return the wide network of a public address; None of others: they are behind a gateway of ours."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback or address.is_link_local or _is_inner(address):
        return None
    return str(ipaddress.ip_network((address, _V4 if address.version == 4 else _V6), strict=False))  # noqa: PLR2004 - IPv4


_INNER = tuple(
    ipaddress.ip_network(one)
    for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


def _is_inner(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return any(address in network for network in _INNER if network.version == address.version)
