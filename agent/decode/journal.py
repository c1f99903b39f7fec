"""One line of `journalctl -o json` as a log line and the cursor after it."""

from __future__ import annotations

from typing import Any

import msgspec

from evidence.text import to_text

from .syslog import LINE_LIMIT, Line

ENTRY_LIMIT = 64 << 10
"""Bytes of a JSON entry that are looked at."""


class Entry(msgspec.Struct, frozen=True):
    """line is None for an entry that is no text message, or one that an ordinary user sent in sshd's name."""

    cursor: str
    line: Line | None


_DECODER = msgspec.json.Decoder(dict[str, Any])
_DIGITS = 10
_ROOT_ONLY = ("sshd", "sshd-session", "sshd-auth", "sudo", "su")


def parse_entry(raw: bytes) -> Entry | None:
    """Return the entry, or None when raw is none.

    The journal's own fields (leading underscore, from the sender's credentials) are believed over those the
    sender wrote: an entry in sshd's or sudo's name is taken only from root.
    """
    if len(raw) > ENTRY_LIMIT:
        return None
    try:
        fields = _DECODER.decode(raw)
        cursor = fields["__CURSOR"]
        time = int(fields["__REALTIME_TIMESTAMP"]) * 1000
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        return None
    if not isinstance(cursor, str) or not 0 < time < 1 << 63:
        return None
    return Entry(cursor, _line(fields, time))


def _line(fields: dict[str, Any], time: int) -> Line | None:
    program = fields.get("SYSLOG_IDENTIFIER") or fields.get("_COMM")
    message = _message(fields.get("MESSAGE"))
    if not isinstance(program, str) or message is None:
        return None
    if program in _ROOT_ONLY and fields.get("_UID", "0") != "0":
        return None
    text, escaped = to_text(message[:LINE_LIMIT])
    pid = _number(fields.get("_PID")) or _number(fields.get("SYSLOG_PID"))
    return Line(time, program[:64], pid, text.strip(), escaped)


def _message(value: object) -> bytes | None:
    """Return the bytes of a field: text, or a list of numbers where it is not UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, list):
        try:
            return bytes(value)
        except (TypeError, ValueError):
            return None
    return None


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS:
        return int(value)
    return None
