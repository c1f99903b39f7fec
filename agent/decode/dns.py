"""DNS messages (RFC 1035, 4.1), as far as a sensor needs them: the question, what was answered, and how.

Bounded by the bytes given: a name may only point back to what stands before it, so nothing is read twice
without end. What follows the part that is understood is left alone, since a server would read it too.
"""

from __future__ import annotations

import struct

import msgspec

from .ip import ip_text

_HEADER = struct.Struct("!HHHHHH")
_QUESTION = struct.Struct("!HH")
_RECORD = struct.Struct("!HHIH")
_POINTER, _LABEL = 0xC0, 0x3F
_NAME_LIMIT = 255
"""Bytes of a name on the wire, its lengths counted (RFC 1035, 3.1)."""
_A, _CNAME, _PTR, _AAAA, _OPT = 1, 5, 12, 28, 41
_ADDRESS_BYTES = {_A: 4, _AAAA: 16}
_INTERNET = 1
_RESPONSE, _OPCODE, _CUT, _RCODE = 0x8000, 0x7800, 0x0200, 0x000F
_TTL_SIGN = 1 << 31
_KEPT = 64
"""Answers kept of one message."""

_TYPES = {
    1: "A",
    2: "NS",
    5: "CNAME",
    6: "SOA",
    10: "NULL",
    12: "PTR",
    15: "MX",
    16: "TXT",
    28: "AAAA",
    33: "SRV",
    35: "NAPTR",
    41: "OPT",
    43: "DS",
    46: "RRSIG",
    48: "DNSKEY",
    52: "TLSA",
    64: "SVCB",
    65: "HTTPS",
    251: "IXFR",
    252: "AXFR",
    255: "ANY",
    257: "CAA",
}
"""Names of types (IANA, DNS parameters); another is TYPEn, as RFC 3597 writes it."""

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_/*+:=@")


class Answer(msgspec.Struct, frozen=True, gc=False):
    """An address or an alias: data is the address, or the name that name stands for. ttl is seconds."""

    name: str
    type: str
    ttl: int
    data: str


class Message(msgspec.Struct, frozen=True, gc=False):
    """A question, and in a response what was answered.

    Names are in lower case and the text form of RFC 1035, 5.1, without the last dot. rcode is that of
    RFC 6891 where an OPT record extends it. complete is False where answers may be missing.
    """

    id: int
    response: bool
    rcode: int
    name: str
    type: str
    answers: tuple[Answer, ...] = ()
    complete: bool = True


def parse(raw: bytes, *, cut: bool = False) -> Message:
    """Return the message at the beginning of raw; cut says that raw is not all of it.

    Raises:
        ValueError: raw is no standard query or response with one question, or breaks its form.
    """
    if len(raw) < _HEADER.size:
        raise ValueError(f"DNS message of {len(raw)} bytes")
    number, flags, questions, answers, authorities, additional = _HEADER.unpack_from(raw)
    if flags & _OPCODE or questions != 1:
        raise ValueError(f"DNS flags {flags:#06x} with {questions} questions")
    name, at = _name(raw, _HEADER.size)
    if at + _QUESTION.size > len(raw):
        raise ValueError("DNS question ends early")
    kind, _ = _QUESTION.unpack_from(raw, at)
    response = bool(flags & _RESPONSE)
    found, extension, complete = (
        _records(raw, at + _QUESTION.size, answers, authorities + additional, cut=cut)
        if response
        else ((), 0, True)
    )
    return Message(
        number,
        response,
        (extension << 4) | (flags & _RCODE),
        name,
        type_text(kind),
        found,
        complete and not flags & _CUT,
    )


def type_text(kind: int) -> str:
    """Return the name of a record type."""
    return _TYPES.get(kind) or f"TYPE{kind}"


def _records(
    raw: bytes, at: int, answers: int, others: int, *, cut: bool
) -> tuple[tuple[Answer, ...], int, bool]:
    """Return the answers, the upper bits of the rcode, and whether that is all there was."""
    found: list[Answer] = []
    extension = 0
    for number in range(answers + others):
        try:
            name, at = _name(raw, at)
            kind, of_class, ttl, length, at = _record(raw, at)
        except ValueError:
            if cut:
                return tuple(found), extension, False
            raise
        if kind == _OPT:
            extension = ttl >> 24
        elif number < answers and of_class == _INTERNET and len(found) < _KEPT:
            data = _data(raw[: at + length], kind, at, length)
            if data is not None:
                found.append(Answer(name, type_text(kind), 0 if ttl & _TTL_SIGN else ttl, data))
        at += length
    return tuple(found), extension, answers <= _KEPT


def _record(raw: bytes, at: int) -> tuple[int, int, int, int, int]:
    """Return type, class, TTL, length of the data and where they begin.

    Raises:
        ValueError: the record does not fit in raw.
    """
    if at + _RECORD.size > len(raw):
        raise ValueError("DNS record ends early")
    kind, of_class, ttl, length = _RECORD.unpack_from(raw, at)
    at += _RECORD.size
    if at + length > len(raw):
        raise ValueError(f"DNS record of {length} bytes with {len(raw) - at} left")
    return kind, of_class, ttl, length, at


def _data(raw: bytes, kind: int, at: int, length: int) -> str | None:
    """Return the text of an answer's data, which ends where raw does; None for a type that is not kept.

    Raises:
        ValueError: the data have not the form of their type.
    """
    if kind in (_CNAME, _PTR):
        name, end = _name(raw, at)
        if end != len(raw):
            raise ValueError("DNS name does not fill its record")
        return name
    if kind not in _ADDRESS_BYTES:
        return None
    if length != _ADDRESS_BYTES[kind]:
        raise ValueError(f"DNS address of {length} bytes")
    return ip_text(raw[at:])


def _name(raw: bytes, at: int) -> tuple[str, int]:
    """Return the name at byte `at` and where it ends.

    Raises:
        ValueError: it does not end in raw, is too long, or points forward or to itself.
    """
    labels: list[str] = []
    end = None
    size, lowest = 1, at
    while True:
        if at >= len(raw):
            raise ValueError("DNS name ends early")
        length = raw[at]
        if length & _POINTER == _POINTER:
            if at + 1 >= len(raw):
                raise ValueError("DNS pointer ends early")
            end = at + 2 if end is None else end
            at = (length & _LABEL) << 8 | raw[at + 1]
            if not _HEADER.size <= at < lowest:
                raise ValueError(f"DNS pointer to byte {at} from a name at {lowest}")
            lowest = at
            continue
        if length & _POINTER:
            raise ValueError(f"DNS label of type {length >> 6}")
        if not length:
            return ".".join(labels) or ".", at + 1 if end is None else end
        size += length + 1
        if size > _NAME_LIMIT or at + 1 + length > len(raw):
            raise ValueError("DNS name is too long")
        labels.append(_label(raw[at + 1 : at + 1 + length]))
        at += 1 + length


def _label(raw: bytes) -> str:
    r"""Return a label in lower case (names are compared so, RFC 4343), every special byte as \DDD."""
    lower = raw.lower()
    if _PLAIN.issuperset(lower):
        return lower.decode("ascii")
    return "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03d}" for byte in lower)
