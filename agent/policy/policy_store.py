"""What watch keeps of the fleet's policy, in two files of its own folder, so that neither goes unnoticed.

``policy.json`` has the trust, the envelope in force and what was told of it last; ``policy.marks`` the trust
alone. Each is one line of JSON and one with its SHA-256. The document is written first: marks that are newer
mean that an older document was put back.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TypeVar

import msgspec

from evidence.kinds.policy import Cause, Ground

from ..spool.disk import Disk
from .policy_rules import Trust

_LIMIT = 1 << 16
T = TypeVar("T")


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was taken; envelope is None while nothing is, told is what the last event said of it."""

    trust: Trust
    envelope: str | None = None
    told: Cause | None = None


class Loaded(msgspec.Struct, frozen=True):
    """What the last run left; ground and message where something of it was taken away or put back."""

    kept: Kept | None
    ground: Ground | None = None
    message: str = ""


class PolicyStore:
    """The two files."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        """Take watch's folder, and the disk that writes files for watch alone."""
        self._document, self._marks, self._disk = folder / "policy.json", folder / "policy.marks", disk

    def load(self) -> Loaded:
        """Return what was kept, and what was done to it meanwhile."""
        kept, marks = self._read(self._document, Kept), self._read(self._marks, Trust)
        if kept is None and marks is None:
            if self._exists(self._document) or self._exists(self._marks):
                return Loaded(None, "record is gone", "what was kept of policies is damaged")
            return Loaded(None)
        if marks is None and kept is not None:
            return Loaded(kept, "record is gone", f"{self._marks} is missing or damaged")
        if kept is None and marks is not None:
            what = "missing or damaged, so no policy is in force"
            return Loaded(Kept(marks), "record is gone", f"{self._document} is {what}")
        assert kept is not None  # noqa: S101 - both None and either None were answered above
        if marks is not None and (marks.root == kept.trust.root) and marks.issued > kept.trust.issued:
            what = "older than what was taken since, so no policy is in force"
            return Loaded(Kept(marks), "record is older", f"{self._document} is {what}")
        return Loaded(kept)

    def keep(self, kept: Kept) -> None:
        """Make kept durable.

        Raises:
            OSError: the disk does not take it; what was kept before still is.
        """
        self._disk.replace(self._document, _encode(kept))
        self._disk.replace(self._marks, _encode(kept.trust))

    def _exists(self, path: Path) -> bool:
        try:
            return self._disk.size(path) is not None
        except OSError:
            return True

    def _read(self, path: Path, shape: type[T]) -> T | None:
        try:
            line, _, rest = self._disk.read(path, 0, _LIMIT).partition(b"\n")
            if hashlib.sha256(line).hexdigest().encode() != rest.strip():
                return None
            return msgspec.json.decode(line, type=shape)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None


def _encode(value: Kept | Trust) -> bytes:
    line = msgspec.json.encode(value)
    return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"
