"""A name server outside: answers every question for an address with one that nobody uses.

Inside a network namespace it stands for the servers of any domain: ``python -m range.resolver ADDRESS``.
"""

from __future__ import annotations

import socket
import struct
import sys

PORT = 53
_ANSWER = socket.inet_aton("192.0.2.77")
_HEAD = struct.Struct("!HHHHHH")
_TAIL = struct.Struct("!HH")
_RECORD = struct.Struct("!HHHIH")
_POINTER, _ADDRESS, _INTERNET, _SECONDS = 0xC00C, 1, 1, 60
_FLAGS = 0x8580
"""An answer, authoritative, recursion asked for and given (RFC 1035, section 4.1.1)."""
_LONGEST = 512


def answer(question: bytes) -> bytes | None:
    """Return the answer to a packet with one question; None to what is no such packet."""
    if len(question) < _HEAD.size:
        return None
    number, _flags, count, *_rest = _HEAD.unpack_from(question)
    end = _end_of_name(question, _HEAD.size)
    if count != 1 or end is None or len(question) < end + _TAIL.size:
        return None
    asked, _class = _TAIL.unpack_from(question, end)
    is_address = asked == _ADDRESS
    head = _HEAD.pack(number, _FLAGS, 1, int(is_address), 0, 0)
    record = _RECORD.pack(_POINTER, _ADDRESS, _INTERNET, _SECONDS, len(_ANSWER)) + _ANSWER
    return head + question[_HEAD.size : end + _TAIL.size] + (record if is_address else b"")


def _end_of_name(packet: bytes, at: int) -> int | None:
    while at < len(packet) and packet[at]:
        at += 1 + packet[at]
    return at + 1 if at < len(packet) else None


def main() -> None:
    """Serve until killed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((sys.argv[1], PORT))
        while True:
            question, sender = server.recvfrom(_LONGEST)
            said = answer(question)
            if said is not None:
                server.sendto(said, sender)


if __name__ == "__main__":
    main()
