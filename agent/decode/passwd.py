"""The passwd file (passwd(5)): account names by uid."""

from __future__ import annotations

_FIELDS = 7
_UID = 2
_NAME_LIMIT = 256


def names_by_uid(raw: bytes) -> dict[int, str]:
    """Return the first name of each uid; a line that is no account is passed over."""
    names: dict[int, str] = {}
    for line in raw.split(b"\n"):
        fields = line.split(b":")
        if len(fields) != _FIELDS or not fields[0] or len(fields[0]) > _NAME_LIMIT:
            continue
        if not fields[_UID].isascii() or not fields[_UID].isdigit():
            continue
        try:
            names.setdefault(int(fields[_UID]), fields[0].decode("utf-8"))
        except ValueError:
            continue
    return names
