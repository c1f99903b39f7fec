"""Policies as files: what an operator writes (TOML), and what was signed (one envelope)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from evidence import policy
from evidence.errors import EvidenceError
from evidence.policy import POLICY_LIMIT, Label, Name, Note, Policy
from evidence.policy_settings import PolicySettings

from ..errors import CollectorError
from .policy_key import read


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the operator writes; version, times and next key come with the signature."""

    name: Name
    settings: PolicySettings
    selector: dict[Label, Label] = {}
    note: Note = ""


class Terms(msgspec.Struct, frozen=True):
    """What is said when it is signed. Times are UTC ns; next_key is the hex of the key that follows."""

    version: int
    issued: int
    begin: int
    until: int
    next_key: str | None = None


def content(path: Path) -> Content:
    """Read what an operator wrote, or take it from what was signed: to go back to it under a new version.

    Raises:
        CollectorError: it is neither; the message names the field.
    """
    raw = read(path, POLICY_LIMIT * 2)
    if raw.startswith(b"{"):
        found = unverified(raw.strip(), str(path))
        return Content(found.name, found.settings, found.selector, found.note)
    try:
        return msgspec.convert(tomllib.loads(raw.decode()), Content)
    except UnicodeDecodeError as error:
        raise CollectorError(f"{path}: not UTF-8 at byte {error.start}") from error
    except tomllib.TOMLDecodeError as error:
        raise CollectorError(f"{path}: not valid TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise CollectorError(f"{path}: {error}") from error


def made(said: Content, terms: Terms) -> Policy:
    """Return the policy to sign.

    Raises:
        CollectorError: its times or its version are wrong.
    """
    try:
        return msgspec.convert(
            {
                "name": said.name,
                "version": terms.version,
                "issued": terms.issued,
                "from": terms.begin,
                "until": terms.until,
                "settings": msgspec.to_builtins(said.settings),
                "selector": said.selector,
                "note": said.note,
                **({"next_key": terms.next_key} if terms.next_key is not None else {}),
            },
            Policy,
        )
    except msgspec.ValidationError as error:
        raise CollectorError(str(error)) from error


def signed(path: Path) -> bytes:
    """Return the envelope in a file, not yet judged.

    Raises:
        CollectorError: it cannot be read or is too large.
    """
    return read(path, POLICY_LIMIT + 1).strip()


def unverified(envelope: bytes, name: str) -> Policy:
    """Read a signed policy without judging who signed it; name is for messages.

    Raises:
        CollectorError: it is none.
    """
    try:
        return policy.read(policy.parse(envelope))
    except EvidenceError as error:
        raise CollectorError(f"{name}: {error}") from error


def values(settings: PolicySettings) -> dict[str, Any]:
    """Return what a policy sets, by dotted name."""
    found: dict[str, Any] = {}

    def walk(table: dict[str, Any], prefix: str) -> None:
        for key, value in table.items():
            if isinstance(value, dict):
                walk(value, f"{prefix}{key}.")
            else:
                found[prefix + key] = value

    walk(msgspec.to_builtins(settings), "")
    return found
