"""The one question that every DNS feed must see before it is believed."""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from evidence.kind import Body
from evidence.kinds.dns import Query

_ADDRESS = "127.86.69.68"
"""Of the loopback, and nobody else's: a resolver there would be a strange one."""
_HEADER = struct.Struct("!HHHHHH")
_TEXT_OF_THE_INTERNET = struct.pack("!HH", 16, 1)
_REFUSED = 0x8005


def ask_once(port: int) -> Callable[[Body], bool]:
    """Ask this process at that port for a name nobody has, and refuse; return the test that recognises it.

    The question wants no recursion, so that a resolver which listens on all addresses asks nobody in turn.

    Raises:
        OSError: there is no loopback.
    """
    mark = secrets.token_hex(8)
    question = b"".join(bytes([len(label)]) + label for label in (b"vedette", mark.encode(), b"invalid", b""))
    number = secrets.randbits(16)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
    ):
        with suppress(OSError):  # unanswered, it is seen all the same, a second later
            server.bind((_ADDRESS, port))
        asker.sendto(_message(number, 0, question), (_ADDRESS, port))
        with suppress(OSError):
            server.sendto(_message(number, _REFUSED, question), asker.getsockname())
    return lambda body: isinstance(body, Query) and mark in body.name


def _message(number: int, flags: int, question: bytes) -> bytes:
    return _HEADER.pack(number, flags, 1, 0, 0, 0) + question + _TEXT_OF_THE_INTERNET
