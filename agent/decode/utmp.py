"""Records of wtmp and btmp: glibc's struct utmp, in its two layouts (utmp(5))."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator

import msgspec

from evidence.text import to_text

USER_PROCESS = 7
DEAD_PROCESS = 8
LOGIN_PROCESS = 6

_COMPACT = struct.Struct("<h2xi32s4s32s256shhiii16s20x")
_WIDE = struct.Struct("<h2xi32s4s32s256shhqqq16s20x4x")
"""Where time_t and long are 64 bits wide here too: aarch64, riscv64, loongarch64."""

_WIDE_MACHINES = ("aarch64", "riscv64", "loongarch64")


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record; time is UTC ns, address the remote one, escaped names fields in the form of `to_text`."""

    type: int
    pid: int
    line: str
    user: str
    host: str
    time: int
    address: str | None
    escaped: tuple[str, ...] = ()


def record_size(machine: str) -> int:
    """Return the bytes of one record on machine, as `uname -m` names it."""
    return _WIDE.size if machine in _WIDE_MACHINES else _COMPACT.size


def parse_records(raw: bytes, machine: str) -> Iterator[Record]:
    """Yield the whole records of raw; a torn one at the end is left out."""
    layout = _WIDE if machine in _WIDE_MACHINES else _COMPACT
    whole = len(raw) - len(raw) % layout.size
    for fields in layout.iter_unpack(raw[:whole]):
        kind, pid, line, _, user, host, _, _, _, seconds, micros, address = fields
        names, escaped = _texts(line=line, user=user, host=host)
        time = seconds * 1_000_000_000 + micros * 1000
        yield Record(kind, pid, **names, time=time, address=_address(address), escaped=escaped)


def _texts(**fields: bytes) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the NUL-terminated fields as text, and which of them had to be escaped."""
    texts = {name: to_text(raw.split(b"\0", 1)[0]) for name, raw in fields.items()}
    return (
        {name: text for name, (text, _) in texts.items()},
        tuple(name for name, (_, escaped) in texts.items() if escaped),
    )


def _address(raw: bytes) -> str | None:
    """An IPv4 address stands in the first four bytes, the rest is zero."""
    if not any(raw):
        return None
    if not any(raw[4:]):
        return str(ipaddress.IPv4Address(raw[:4]))
    return str(ipaddress.IPv6Address(raw))
