"""Signed tree heads as C2SP checkpoints: a signed note of origin, size and root.

Formats: https://c2sp.org/tlog-checkpoint and https://c2sp.org/signed-note, Ed25519 (algorithm 0x01).
"""

from __future__ import annotations

import base64
import hashlib
import re

import msgspec

from . import strict
from .errors import BadCheckpoint, BadSignature
from .keys import Signer, verify

NOTE_LIMIT = 16_384
"""Bytes a signed note may have, cosignatures included."""
_ED25519 = b"\x01"
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_NAME = re.compile(r"[^\s+]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_HASH_BYTES = 32


class VerifierKey(msgspec.Struct, frozen=True):
    """A log's (or witness's) name and raw Ed25519 public key."""

    name: str
    public: bytes

    @property
    def key_hash(self) -> bytes:
        """The 4-byte key id of the signed-note format."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        """Return the key in vkey form, ``name+hash+base64``."""
        return f"{self.name}+{self.key_hash.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"


class Checkpoint(msgspec.Struct, frozen=True):
    """What a note says: the log's origin, its size in leaves and its root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def body(self) -> bytes:
        """Return the note's text, the bytes that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()


def parse_vkey(text: str) -> VerifierKey:
    """Read a key in vkey form.

    Raises:
        BadCheckpoint: it is no Ed25519 vkey, or its hash does not fit.
    """
    try:
        name, key_hash, encoded = text.strip().split("+", 2)
        raw = strict.from_base64(encoded)
    except ValueError as error:
        raise BadCheckpoint(f"verifier key {text[:80]!r}: not of the form name+hash+key") from error
    key = VerifierKey(name, raw[1:])
    if not _NAME.fullmatch(name):
        raise BadCheckpoint(f"verifier key {text[:80]!r}: the name has white space, or is empty")
    if raw[:1] != _ED25519 or len(raw) != 1 + _HASH_BYTES or key.key_hash.hex() != key_hash:
        raise BadCheckpoint(f"verifier key {text[:80]!r}: not an Ed25519 key, or its hash does not fit")
    return key


def sign(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """Return the checkpoint as a signed note under its origin as the key's name."""
    body = checkpoint.body()
    return body + b"\n" + signature_line(VerifierKey(checkpoint.origin, signer.public), signer.sign(body))


def signature_line(key: VerifierKey, signature: bytes) -> bytes:
    """Return one signature line of a signed note."""
    return f"— {key.name} {base64.b64encode(key.key_hash + signature).decode()}\n".encode()


def verify_note(note: bytes, key: VerifierKey) -> Checkpoint:
    """Read a signed note and check that key signed it; signatures of others are passed over.

    Raises:
        BadCheckpoint: it does not parse, has another origin, or key did not sign it.
    """
    checkpoint, body, signatures = _split(note)
    if checkpoint.origin != key.name:
        raise BadCheckpoint(f"checkpoint: origin is {checkpoint.origin[:80]!r}, expected {key.name!r}")
    for name, signature in signatures:
        if name == key.name and signature[:4] == key.key_hash:
            try:
                verify(key.public, body, signature[4:])
            except BadSignature as error:
                raise BadCheckpoint(f"checkpoint: {error}") from error
            return checkpoint
    raise BadCheckpoint(f"checkpoint: not signed by {key.name}")


def _split(note: bytes) -> tuple[Checkpoint, bytes, list[tuple[str, bytes]]]:
    if len(note) > NOTE_LIMIT:
        raise BadCheckpoint(f"checkpoint: {len(note)} bytes, at most {NOTE_LIMIT}")
    try:
        text = note.decode("utf-8")
        body, separator, rest = text.partition("\n\n")
        lines = body.split("\n")
        signatures = [_signature(line) for line in rest.removesuffix("\n").split("\n")]
        root = strict.from_base64(lines[2])
    except (ValueError, IndexError) as error:
        raise BadCheckpoint(f"checkpoint: {error}") from error
    if not separator or not rest.endswith("\n") or _CONTROL.search(text):
        raise BadCheckpoint("checkpoint: not lines of text, an empty line, and signature lines")
    if not lines[0] or not _SIZE.fullmatch(lines[1]) or len(root) != _HASH_BYTES:
        raise BadCheckpoint("checkpoint: not origin, size and root on a line each")
    return Checkpoint(lines[0], int(lines[1]), root), f"{body}\n".encode(), signatures


def _signature(line: str) -> tuple[str, bytes]:
    dash, name, encoded = line.split(" ")
    if dash != "—":
        raise ValueError("a signature line begins with an em dash")
    return name, strict.from_base64(encoded)
