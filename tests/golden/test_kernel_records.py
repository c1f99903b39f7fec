"""Records as a 6.18 kernel on x86-64 wrote them, and what they say."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.decode import bpf_connection, bpf_process, connector, inet_diag

GOLDEN: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("kernel").joinpath("records.json").read_text()
)


def _sha256(content: bytes, pid: int, ppid: int | None, exe: str | None) -> str:
    """Stand in for a hash: what it would be looked up by."""
    return f"{content.hex()} {pid} {ppid} {exe}"


PARSERS: dict[str, Callable[[bytes], object]] = {
    "exec": lambda raw: bpf_process.Decoder(lambda _: "/system.slice/cron.service", _sha256).parse(raw)[1],
    "exit": lambda raw: bpf_process.Decoder(lambda _: None, _sha256).parse(raw)[1],
    "flow": bpf_connection.parse,
    "connector": connector.parse,
    "diag": inet_diag.parse,
}


@pytest.mark.skipif(sys.byteorder != "little", reason="the records are of a little-endian machine")
@pytest.mark.parametrize("name", GOLDEN)
def test_says_what_it_said(name: str) -> None:
    golden = GOLDEN[name]
    decoded = PARSERS[name.partition(" ")[0]](bytes.fromhex(golden["record"]))
    assert json.loads(msgspec.json.encode(decoded)) == golden["decoded"]


def test_there_is_a_record_of_each_kind() -> None:
    assert {name.partition(" ")[0] for name in GOLDEN} == PARSERS.keys()
