"""Packets as a 6.18 kernel handed them over, of glibc, a TCP client and OpenSSL, and what they say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.decode import bpf_dns, dns, tls_hello
from agent.decode.bpf_dns import PacketKind

GOLDEN: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("dns").joinpath("packets.json").read_text()
)

pytestmark = pytest.mark.skipif(
    sys.byteorder != "little", reason="the records are of a little-endian machine"
)


@pytest.mark.parametrize("name", GOLDEN)
def test_says_what_it_said(name: str) -> None:
    golden = GOLDEN[name]
    packet = bpf_dns.parse(bytes.fromhex(golden["record"]))
    said: object
    if packet.kind is PacketKind.HELLO:
        said = tls_hello.server_name(packet.payload)
    else:
        said = dns.parse(packet.payload, cut=packet.cut)
    bare = msgspec.structs.replace(packet, payload=b"")
    assert json.loads(msgspec.json.encode(bare)) == golden["packet"]
    assert json.loads(msgspec.json.encode(said)) == golden["says"]


def test_there_is_a_packet_of_each_kind_and_protocol() -> None:
    found = {(golden["packet"]["kind"], golden["packet"]["protocol"]) for golden in GOLDEN.values()}
    assert found == {(1, "udp"), (2, "udp"), (1, "tcp"), (2, "tcp"), (3, "tcp")}
