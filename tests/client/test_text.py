"""What reaches a terminal: no control character, whatever an event holds."""

from __future__ import annotations

import io
import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client import describe, text
from client.screen import Screen

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_anything = st.text(st.characters(), max_size=40)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | _anything,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_anything, inner, max_size=3),
    max_leaves=8,
)


@given(_anything)
def test_safe_text_has_no_hidden_character(raw: str) -> None:
    shown = text.safe(raw)
    assert not [character for character in shown if unicodedata.category(character) in _HIDDEN]


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"]), max_size=40))
def test_safe_text_leaves_visible_text_alone(raw: str) -> None:
    assert text.safe(raw) == raw


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_safe_json_means_the_same(raw: str) -> None:
    encoded = text.safe_json(json.dumps({"a": raw}, ensure_ascii=False))
    assert json.loads(encoded) == {"a": raw}
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(encoded)


@given(
    st.sampled_from(
        [
            "process.exec",
            "process.exit",
            "connection.close",
            "login.failed",
            "file.rename",
            "privilege.sudo",
            "x",
        ]
    ),
    st.dictionaries(
        st.sampled_from(["cmd_line", "exe", "person", "user_name", "path", "name", "src_ip", "host"]),
        _anything,
    ),
    st.dictionaries(st.sampled_from(["former", "method", "command", "package", "x"]), _values),
)
def test_every_event_can_be_described_and_printed(
    kind: str, row: dict[str, str], body: dict[str, Any]
) -> None:
    event = {"kind": kind, "body": body, **row}
    out = io.StringIO()
    Screen(out, out).line(describe.who(event), " ", describe.what(event))
    assert not [each for each in out.getvalue()[:-1] if unicodedata.category(each) in _HIDDEN]


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345_678, "12.3 MB"),
        (10**19, "10000.0 PB"),
    ],
)
def test_sizes(count: int | None, said: str) -> None:
    assert text.size(count) == said


@pytest.mark.parametrize(
    ("nanoseconds", "said"),
    [
        (None, "-"),
        (250 * 10**6, "250 ms"),
        (4.2 * 10**9, "4.2 s"),
        (65 * 10**9, "1 min 05 s"),
        (3900 * 10**9, "1 h 05 min"),
    ],
)
def test_durations(nanoseconds: int | None, said: str) -> None:
    assert text.lasting(nanoseconds) == said


def test_times_are_utc_iso_and_no_number_breaks_them() -> None:
    assert text.utc(1_800_000_000_123_456_789, digits=3) == "2027-01-15T08:00:00.123Z"
    assert text.utc(1_800_000_000_123_456_789) == "2027-01-15T08:00:00Z"
    assert text.utc(None) == "-"
    assert text.utc(2**63 - 1).startswith("2262")
    assert text.utc(10**30).endswith("ns")


def test_a_program_is_told_with_what_its_process_became() -> None:
    event = {"kind": "connection.open", "exe": "/bin/sh", "became": "/usr/bin/scp", "dst_ip": "203.0.113.9"}
    assert describe.what(event).startswith("sh (since scp) → ")
