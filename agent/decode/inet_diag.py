"""Messages of inet_diag (linux/inet_diag.h): a dump of TCP sockets, and notices of their end."""

from __future__ import annotations

import struct

import msgspec

from evidence.kind import Endpoint

from .ip import ip_text
from .netlink import HEADER, attributes

_REQUEST = struct.Struct("=BBBxI48x")
_MESSAGE = struct.Struct("=BBBB2s2s16s16sIQ5I")
_SOCK_DIAG_BY_FAMILY, _DUMP = 20, 0x301
TCP, UDP = 6, 17
_INFO = 2
_INFO_COUNTERS = struct.Struct("=QQIII")
_INFO_AT, _INFO_SENT_AT = 120, 200
_INFO_SENT = struct.Struct("=QQ")

AF_INET, AF_INET6 = 2, 10
ESTABLISHED, CLOSE, CLOSE_WAIT, LISTEN = 1, 7, 8, 10
OPEN_STATES = frozenset({ESTABLISHED, 4, 5, CLOSE_WAIT, 9, 11})
"""Established, and every state in which one side has closed."""


class Socket(msgspec.Struct, frozen=True, gc=False):
    """One TCP socket. uid and inode are None once the process has let go of it.

    The counters are the kernel's: acked counts an outbound SYN and our FIN, received counts the peer's FIN,
    payload is what was sent at least once, without either; None where the kernel does not tell.
    """

    state: int
    cookie: int
    local: Endpoint
    remote: Endpoint
    uid: int | None
    inode: int | None
    acked: int | None = None
    received: int | None = None
    payload: int | None = None
    segments_out: int | None = None
    segments_in: int | None = None


def dump_request(family: int, states: int, protocol: int = TCP) -> bytes:
    """Return the request for all sockets of a family and protocol in the states of that bit set."""
    body = _REQUEST.pack(family, protocol, 1 << (_INFO - 1), states)
    return HEADER.pack(HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _DUMP, 0, 0) + body


def parse(body: bytes) -> Socket:
    """Return the socket of one message's payload.

    Raises:
        ValueError: it is shorter than such a message, or of no IP family.
    """
    if len(body) < _MESSAGE.size:
        raise ValueError(f"inet_diag message of {len(body)} bytes")
    family, state, _, _, sport, dport, source, target, _, cookie, *rest = _MESSAGE.unpack_from(body)
    if family not in (AF_INET, AF_INET6):
        raise ValueError(f"inet_diag message of family {family}")
    length = 4 if family == AF_INET else 16
    _, _, _, uid, inode = rest
    info = next((value for kind, value in attributes(body[_MESSAGE.size :]) if kind == _INFO), b"")
    acked, received, segments_out, segments_in = _counters(info)
    return Socket(
        state=state,
        cookie=cookie,
        local=Endpoint(ip=ip_text(source[:length]), port=int.from_bytes(sport, "big") or None),
        remote=Endpoint(ip=ip_text(target[:length]), port=int.from_bytes(dport, "big") or None),
        uid=uid if inode else None,
        inode=inode or None,
        acked=acked,
        received=received,
        payload=_payload(info),
        segments_out=segments_out,
        segments_in=segments_in,
    )


def received_payload(socket: Socket, *, outbound: bool) -> int | None:
    """Return the payload that came in, of a socket that has ended.

    Its last message no longer says whether the peer's FIN is among the bytes received. Where our own FIN was
    acknowledged the connection ended in good order, and so it is; after a reset it is not. It is not either
    where this end was closed first and the peer acknowledged that before it closed: the kernel lets such a
    socket go at once, with nothing that tells the two apart, so one byte is missing then.
    """
    if socket.received is None or socket.acked is None or socket.payload is None:
        return None
    in_order = socket.acked > socket.payload + outbound
    return socket.received - 1 if in_order and socket.received else socket.received


def _counters(info: bytes) -> tuple[int | None, int | None, int | None, int | None]:
    if len(info) < _INFO_AT + _INFO_COUNTERS.size:
        return None, None, None, None
    acked, received, segments_out, segments_in, _ = _INFO_COUNTERS.unpack_from(info, _INFO_AT)
    return acked, received, segments_out, segments_in


def _payload(info: bytes) -> int | None:
    if len(info) < _INFO_SENT_AT + _INFO_SENT.size:
        return None
    sent: int
    sent_again: int
    sent, sent_again = _INFO_SENT.unpack_from(info, _INFO_SENT_AT)
    return max(0, sent - sent_again)
