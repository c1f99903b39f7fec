"""The policy key as files: PEM (PKCS #8, Ed25519), encrypted or for its owner alone; and its public line.

It belongs on a machine that is not the collector, and needs nothing of the collector's state.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from evidence import policy
from evidence.errors import EvidenceError
from evidence.keys import PrivateKey

from .. import files
from ..errors import CollectorError

_LIMIT = 16_384
PASSPHRASE_LEAST = 12


def make(path: Path, passphrase: bytes | None) -> bytes:
    """Make a new key in path and its public line in path.pub; return the raw public key.

    Raises:
        CollectorError: a file is there already.
        OSError: it cannot be written.
    """
    public_path = public_of(path)
    for each in (path, public_path):
        if each.exists():
            raise CollectorError(f"{each}: is there already; a key is never overwritten")
    key = Ed25519PrivateKey.generate()
    lock: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(pem)
        out.flush()
        os.fsync(out.fileno())
    public = key.public_key().public_bytes_raw()
    files.write(public_path, (policy.key_line(public) + "\n").encode(), 0o644)
    return public


def public_of(path: Path) -> Path:
    """Return where the public line of a key stands."""
    return path.with_name(f"{path.name}.pub")


def load(path: Path, passphrase: bytes | None) -> PrivateKey:
    """Return the key in path.

    Raises:
        CollectorError: it is none, others can read it, or the passphrase is wrong or missing.
    """
    raw = read(path, _LIMIT)
    if path.stat().st_mode & 0o077:
        raise CollectorError(f"{path}: others may read it; chmod 600 {path}")
    try:
        key = load_pem_private_key(raw, passphrase)
    except TypeError as error:
        told = "is under a passphrase: give --passphrase-file" if passphrase is None else "has no passphrase"
        raise CollectorError(f"{path}: {told}") from error
    except ValueError as error:
        raise CollectorError(f"{path}: no key, or another passphrase") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise CollectorError(f"{path}: not an Ed25519 key")
    return PrivateKey(key.private_bytes_raw())


def passphrase(path: Path | None) -> bytes | None:
    """Return the passphrase in a file, its last line's end aside; None without a file.

    Raises:
        CollectorError: it is too short, or cannot be read.
    """
    if path is None:
        return None
    found = read(path, _LIMIT).rstrip(b"\r\n")
    if len(found) < PASSPHRASE_LEAST:
        raise CollectorError(f"{path}: a passphrase has at least {PASSPHRASE_LEAST} bytes")
    return found


def public(path: Path) -> bytes:
    """Return the raw public key of a line in a file.

    Raises:
        CollectorError: it is none, or cannot be read.
    """
    try:
        return policy.parse_key(read(path, _LIMIT).decode("ascii"))
    except (EvidenceError, UnicodeDecodeError) as error:
        raise CollectorError(f"{path}: {error}") from error


def read(path: Path, limit: int) -> bytes:
    """Return a small file's bytes.

    Raises:
        CollectorError: it cannot be read, or is larger than limit.
    """
    try:
        with path.open("rb") as file:
            found = file.read(limit + 1)
    except OSError as error:
        raise CollectorError(f"{path}: {error.strerror}") from error
    if len(found) > limit:
        raise CollectorError(f"{path}: more than {limit} bytes")
    return found
