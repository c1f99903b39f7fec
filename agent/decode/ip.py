"""Addresses from the kernel as text: IPv4 may come mapped into IPv6."""

from __future__ import annotations

import functools
import ipaddress

_MAPPED = b"\0" * 10 + b"\xff\xff"


@functools.lru_cache(maxsize=4096)
def ip_text(raw: bytes) -> str:
    """Return 4 or 16 bytes in network order as text; ::ffff:a.b.c.d is a.b.c.d, as its peer sees it.

    Raises:
        ValueError: raw has another length.
    """
    if len(raw) == len(_MAPPED) + 4 and raw.startswith(_MAPPED):
        raw = raw[len(_MAPPED) :]
    return str(ipaddress.ip_address(raw))
