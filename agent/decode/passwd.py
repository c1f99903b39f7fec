"""The passwd file (passwd(5)): account names by uid, and the accounts somebody can log in to."""

from __future__ import annotations

import msgspec

_FIELDS = 7
_UID = 2
_UID_DIGITS = 10
_NAME_LIMIT = 256
_NO_LOGIN = frozenset({"nologin", "false", "sync", "shutdown", "halt"})
_ACCOUNTS = 10_000


class Account(msgspec.Struct, frozen=True):
    """An account with a login shell."""

    name: str
    uid: int | None
    home: str
    shell: str


def is_login_shell(shell: str) -> bool:
    """Return whether somebody with this shell gets one; an empty field means /bin/sh."""
    return shell.rpartition("/")[2] not in _NO_LOGIN


def login_accounts(raw: bytes) -> tuple[Account, ...]:
    """Return the accounts with a login shell and an absolute home, at most 10,000."""
    found: list[Account] = []
    for line in raw.split(b"\n"):
        fields = line.decode("utf-8", "replace").split(":")
        if len(fields) != _FIELDS or not fields[0] or len(fields[0]) > _NAME_LIMIT:
            continue
        name, _, uid, _, _, home, shell = fields
        if is_login_shell(shell) and home.startswith("/") and "\0" not in home and len(found) < _ACCOUNTS:
            number = int(uid) if uid.isascii() and uid.isdigit() and len(uid) <= _UID_DIGITS else None
            found.append(Account(name, number, home, shell or "/bin/sh"))
    return tuple(found)


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
