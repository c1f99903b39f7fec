"""Values as text a person reads: what comes from events can never steer the terminal."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from typing import Any

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_UNITS = ("kB", "MB", "GB", "TB", "PB")
_KILO = 1000
_MINUTE = 60
_LATIN = 0x100
_PLANE = 0x10000
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_TIMES = frozenset(
    {"time", "received", "detected", "last_event", "newest", "now", "begin", "end"}
    | {"created", "expires", "ended"}
    | {"opened", "closed", "revised"}
)
_ASCII = re.compile(r"[ -~]*")
_JSON_HIDDEN = re.compile(r"[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def safe(text: str) -> str:
    r"""Return text with every control, format and unassigned character as ``\x1b`` or ``\u202e``.

    So no escape sequence, no change of writing direction and no line break from an event reaches a terminal.
    """
    if _ASCII.fullmatch(text):
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    if code < _LATIN:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < _PLANE else f"\\U{code:08x}"


def safe_json(text: str) -> str:
    r"""Return JSON text, the same value, with the control characters JSON permits written as ``\uXXXX``."""
    return _JSON_HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def utc(nanoseconds: int | None, *, digits: int = 0) -> str:
    """Return UTC ns as ISO-8601 with that many decimals (0, 3 or 6); a dash for None."""
    if nanoseconds is None:
        return "-"
    try:
        moment = _EPOCH + dt.timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return f"{nanoseconds} ns"  # a time no calendar has, such as a broken clock's
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return (stamp[: 20 + digits] if digits else stamp[:19]) + "Z"


def iso_times(value: Any) -> Any:
    """Return value with the API's times as ISO-8601 to the nanosecond; what an event's body says stays."""
    if isinstance(value, list):
        return [iso_times(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _iso_time(name, item) for name, item in value.items()}


def _iso_time(name: str, value: Any) -> Any:
    if name == "body":
        return value
    if name in _TIMES and isinstance(value, int) and not isinstance(value, bool):
        return f"{utc(value)[:-1]}.{value % 10**9:09d}Z"
    return iso_times(value)


def size(count: int | None) -> str:
    """Return a number of bytes in decimal units, such as ``12.3 MB``; a dash for None."""
    if count is None:
        return "-"
    if abs(count) < _KILO:
        return f"{count} B"
    value = float(count)
    for unit in _UNITS[:-1]:
        value /= _KILO
        if abs(value) < _KILO:
            return f"{value:.1f} {unit}"
    return f"{value / _KILO:.1f} {_UNITS[-1]}"


def lasting(nanoseconds: int | None) -> str:
    """Return a duration, such as ``250 ms``, ``4.2 s`` or ``3 h 05 min``; a dash for None."""
    if nanoseconds is None:
        return "-"
    seconds = nanoseconds / 1e9
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), _MINUTE)
    hours = divmod(minutes, _MINUTE)
    return f"{minutes} min {rest:02d} s" if minutes < _MINUTE else f"{hours[0]} h {hours[1]:02d} min"


def endpoint(ip: str | None, port: int | None, name: str | None = None) -> str:
    """Return an address as ``ip:port``, with the DNS name it came from where there is one."""
    if ip is None:
        return "-"
    host = f"[{ip}]" if ":" in ip and port is not None else ip
    shown = host if port is None else f"{host}:{port}"
    return f"{shown} ({name})" if name else shown
