"""wtmp and btmp records as glibc lays them out."""

from __future__ import annotations

import struct

import pytest

from agent.decode.utmp import USER_PROCESS, parse_records, record_size

# The first record is byte for byte what sshd 9.2 on Debian 12 wrote, shortened by its NULs.
DEBIAN = struct.pack(
    "<hhi32s4s32s256shhiii16s20s",
    *(7, 0, 13388, b"pts/0", b"ts/0", b"alice", b"198.51.100.7", 0, 0, 0, 1_795_322_486, 250_000),
    bytes([198, 51, 100, 7]) + bytes(12),
    b"",
)
ARM = struct.pack(
    "<hhi32s4s32s256shhqqq16s20si",
    *(7, 0, 13388, b"pts/0", b"ts/0", b"alice", b"h\xff", 0, 0, 0, 1_795_322_486, 250_000),
    bytes.fromhex("20010db8000000000000000000000007"),
    b"",
    0,
)


def test_sizes_are_those_of_glibc() -> None:
    assert (record_size("x86_64"), record_size("aarch64")) == (384, 400)
    assert (len(DEBIAN), len(ARM)) == (384, 400)


@pytest.mark.parametrize(
    ("raw", "machine", "address"),
    [(DEBIAN, "x86_64", "198.51.100.7"), (ARM, "aarch64", "2001:db8::7")],
)
def test_a_login_record(raw: bytes, machine: str, address: str) -> None:
    (record,) = parse_records(raw, machine)
    assert (record.type, record.pid, record.line, record.user) == (USER_PROCESS, 13388, "pts/0", "alice")
    assert record.time == 1_795_322_486_250_000_000
    assert record.address == address


def test_a_torn_record_is_left_out() -> None:
    assert len(list(parse_records(DEBIAN + DEBIAN[:100], "x86_64"))) == 1


def test_bytes_that_are_not_utf8_are_named() -> None:
    (record,) = parse_records(ARM, "aarch64")
    assert (record.host, record.escaped) == ("h\\xff", ("host",))
