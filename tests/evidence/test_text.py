from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from evidence.text import to_bytes, to_text


@given(st.binary(max_size=60))
def test_no_byte_is_lost(raw: bytes) -> None:
    text, escaped = to_text(raw)
    json.dumps(text).encode()
    assert to_bytes(text, escaped=escaped) == raw


@given(st.text(st.characters(codec="utf-8")))
def test_valid_utf8_stays_as_it_is(text: str) -> None:
    assert to_text(text.encode()) == (text, False)


def test_escapes_are_readable() -> None:
    assert to_text(b"/srv/\xff\\x41") == ("/srv/\\xff\\\\x41", True)
