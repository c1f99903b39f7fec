"""The collector as its own agent: under which identity and key its acts are sealed."""

from __future__ import annotations

from pathlib import Path

import msgspec

from evidence import enrolment, entry
from evidence.keys import PrivateKey

from . import files
from .errors import NotSetUp
from .paths import Paths

_ADVICE = "run `vedette-collector setup`"


class Identity(msgspec.Struct, frozen=True):
    """The collector's agent id and epoch, and its enrolment entry in base64."""

    agent: str
    epoch: int
    entry: str

    @property
    def entry_digest(self) -> str:
        """The hex SHA-256 of the enrolment entry, which both chains' first statements quote."""
        return entry.digest(enrolment.decode_base64(self.entry, "identity: entry"))


def load(paths: Paths) -> Identity:
    """Return the identity `setup` made.

    Raises:
        NotSetUp: there is none, or its file is damaged.
    """
    try:
        return msgspec.json.decode(_read(paths.identity), type=Identity)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotSetUp(f"{paths.identity}: {error}; {_ADVICE}") from error


def save(paths: Paths, identity: Identity) -> None:
    """Keep the identity."""
    files.write(paths.identity, msgspec.json.encode(identity))


def signer(paths: Paths) -> PrivateKey:
    """Return the key that seals the collector's acts.

    Raises:
        NotSetUp: it is missing.
    """
    return _key(paths.agent_key)


def ledger_signer(paths: Paths) -> PrivateKey:
    """Return the key that signs checkpoints.

    Raises:
        NotSetUp: it is missing.
    """
    return _key(paths.ledger_key)


def _key(path: Path) -> PrivateKey:
    try:
        return PrivateKey(_read(path))
    except ValueError as error:
        raise NotSetUp(f"{path}: {error}; {_ADVICE}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotSetUp(f"{path} is missing; {_ADVICE}") from error
