"""Bytes of a fanotify descriptor: what is built is read back, what is damaged raises nothing."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from agent.decode.fanotify import Raw, parse_fanotify


def built(raw: Raw) -> bytes:
    infos = b""
    if raw.handle:
        infos += info(2, raw.fsid + raw.handle + raw.name + b"\0" * (4 - len(raw.name) % 4))
    if raw.object:
        infos += info(1, raw.fsid + raw.object)
    return struct.pack("=IBBHQii", 24 + len(infos), 3, 0, 24, raw.mask, -1, raw.pid) + infos


def info(kind: int, content: bytes) -> bytes:
    return struct.pack("=BBH", kind, 0, 4 + len(content)) + content


HANDLES = st.binary(min_size=1, max_size=32).map(lambda data: struct.pack("=Ii", len(data), 1) + data)
RAWS = st.builds(
    Raw,
    st.integers(0, (1 << 64) - 1),
    st.integers(0, (1 << 31) - 1),
    st.binary(min_size=8, max_size=8),
    HANDLES,
    st.binary(min_size=1, max_size=255).filter(lambda name: b"\0" not in name),
    HANDLES,
)


@given(st.lists(RAWS, max_size=5))
def test_records_round_trip(raws: list[Raw]) -> None:
    assert list(parse_fanotify(b"".join(map(built, raws)))) == raws


@given(st.lists(RAWS, max_size=3), st.data())
def test_damaged_bytes_raise_nothing(raws: list[Raw], data: st.DataObject) -> None:
    raw = bytearray(b"".join(map(built, raws)) + data.draw(st.binary(max_size=40)))
    for _ in range(data.draw(st.integers(0, 6))):
        if raw:
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    list(parse_fanotify(bytes(raw[: data.draw(st.integers(0, len(raw)))])))
