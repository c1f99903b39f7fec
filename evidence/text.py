"""Bytes from the kernel as JSON text, without losing a byte: paths and arguments need not be UTF-8."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(\\|x[0-9a-f]{2})")


def to_text(raw: bytes) -> tuple[str, bool]:
    r"""Return raw as text, and whether it had to be escaped.

    Valid UTF-8 is returned as it is (False). Anything else is returned with each backslash doubled and each
    invalid byte as ``\xNN`` (True), so `to_bytes` gives the same bytes back.
    """
    try:
        return raw.decode("utf-8"), False
    except UnicodeDecodeError:
        return raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace"), True


def to_bytes(text: str, *, escaped: bool) -> bytes:
    """Return the bytes that `to_text` was given."""
    if not escaped:
        return text.encode("utf-8")
    parts: list[bytes] = []
    at = 0
    for match in _ESCAPE.finditer(text):
        parts.append(text[at : match.start()].encode("utf-8"))
        code = match.group(1)
        parts.append(b"\\" if code == "\\" else bytes([int(code[1:], 16)]))
        at = match.end()
    parts.append(text[at:].encode("utf-8"))
    return b"".join(parts)
