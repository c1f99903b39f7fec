"""The name server outside answers what a stub asks, and nothing else."""

from __future__ import annotations

import struct

import pytest

from range.resolver import answer


def question(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def test_an_address_is_answered_with_one_that_nobody_uses() -> None:
    asked = question("a.evil.example")
    said = answer(asked)
    assert said is not None
    assert said[:12] == struct.pack("!HHHHHH", 7, 0x8580, 1, 1, 0, 0)
    assert said[12 : len(asked)] == asked[12:]
    assert said.endswith(b"\0\4\xc0\0\2\x4d")


def test_of_other_kinds_there_is_nothing() -> None:
    asked = question("a.evil.example", kind=28)
    assert answer(asked) == struct.pack("!HHHHHH", 7, 0x8580, 1, 0, 0, 0) + asked[12:]


@pytest.mark.parametrize("packet", [b"", b"\0" * 11, question("a.example")[:-1], question("a.example")[:14]])
def test_what_is_cut_off_is_not_answered(packet: bytes) -> None:
    assert answer(packet) is None
