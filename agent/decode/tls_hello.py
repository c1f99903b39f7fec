"""The server name in a TLS ClientHello (RFC 8446, 4.1.2; RFC 6066, 3)."""

from __future__ import annotations

import re

_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME, _HOST_NAME = 22, 1, 0, 0
_RECORD_HEAD, _HELLO_HEAD, _VERSION_AND_RANDOM = 5, 4, 34
_NAME = re.compile(rb"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?\Z", re.IGNORECASE)


def server_name(raw: bytes) -> str | None:
    """Return the host name a client asks for, None where the hello names none.

    raw is the beginning of what the client sends; a name that stands beyond its end is not found.

    Raises:
        ValueError: raw does not begin with a ClientHello, or it breaks its form.
    """
    if len(raw) < _RECORD_HEAD + _HELLO_HEAD or (raw[0], raw[1]) != (_HANDSHAKE, 3):
        raise ValueError("no TLS handshake")
    if raw[_RECORD_HEAD] != _CLIENT_HELLO:
        raise ValueError(f"TLS handshake of type {raw[_RECORD_HEAD]}, no ClientHello")
    at = _RECORD_HEAD + _HELLO_HEAD + _VERSION_AND_RANDOM
    for width in (1, 2, 1):  # session id, cipher suites, compression methods
        at += width + _length(raw, at, width)
    end = at + 2 + _length(raw, at, 2)
    at += 2
    while at + 4 <= min(end, len(raw)):
        kind, size = int.from_bytes(raw[at : at + 2]), _length(raw, at + 2, 2)
        at += 4
        if kind == _SERVER_NAME:
            return _host(raw[at : min(at + size, end)], size)
        at += size
    return None


def _host(names: bytes, size: int) -> str | None:
    """Return the name in a server_name extension of that size, None where it is cut off."""
    if len(names) < size:
        return None
    length = _length(names, 3, 2)
    if names[2] != _HOST_NAME or _length(names, 0, 2) != size - 2 or length != size - 5:
        raise ValueError("TLS server name has not the form of one host name")
    host = names[5:]
    if not _NAME.match(host):
        raise ValueError("TLS server name is no host name")
    return host.decode("ascii").lower().removesuffix(".")


def _length(raw: bytes, at: int, width: int) -> int:
    """Return a length field.

    Raises:
        ValueError: raw ends before it.
    """
    if at + width > len(raw):
        raise ValueError("TLS ClientHello ends early")
    return int.from_bytes(raw[at : at + width])
