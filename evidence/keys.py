"""Ed25519 signing and verifying over `cryptography`; a key's id is the SHA-256 of its 32 raw bytes."""

from __future__ import annotations

import functools
import hashlib
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .errors import BadSignature

_SMALL_ORDER = frozenset(
    bytes.fromhex(text)
    for text in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)
"""Points of small order, without their sign bit: with such a key one signature fits many messages."""
_WITHOUT_SIGN = 0x7F
_LOADED_LIMIT = 4096


class Signer(Protocol):
    """Whatever can sign: a key in memory, later one in hardware."""

    @property
    def public(self) -> bytes:
        """The 32 raw bytes of the public key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature over message."""
        ...


class PrivateKey:
    """A signer that holds its key in memory."""

    def __init__(self, seed: bytes) -> None:
        """Take the 32 secret bytes of the key (RFC 8032)."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._key.public_key().public_bytes_raw()

    @property
    def public(self) -> bytes:
        """The 32 raw bytes of the public key."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature over message."""
        return self._key.sign(message)


def key_id(public: bytes) -> str:
    """Return the lower-case hex SHA-256 of a raw public key."""
    return hashlib.sha256(public).hexdigest()


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Check an Ed25519 signature.

    Raises:
        BadSignature: it does not verify, or the key is no Ed25519 key, or one that signs nothing for certain.
    """
    try:
        _loaded(public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise BadSignature(f"the signature does not verify with key {key_id(public)[:16]}…") from error


@functools.lru_cache(_LOADED_LIMIT)
def _loaded(public: bytes) -> Ed25519PublicKey:
    """Return a key ready for use: making it costs a tenth of using it.

    Raises:
        BadSignature: it is a point of small order.
        ValueError: it is no key.
    """
    if public and public[:-1] + bytes([public[-1] & _WITHOUT_SIGN]) in _SMALL_ORDER:
        raise BadSignature(f"key {key_id(public)[:16]}… is a point of small order, which proves nothing")
    return Ed25519PublicKey.from_public_bytes(public)
