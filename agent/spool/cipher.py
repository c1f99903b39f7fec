"""Encryption of a segment's data: a random AES-256-GCM key per segment, wrapped by the spool key. Pure.

The nonce is the record's counter, which a segment never uses twice: a segment is never reopened for writing,
so not even a disk that was rolled back makes one key meet one nonce again.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..errors import SpoolError

KEY_BYTES = 32
WRAP_NONCE_BYTES = 12
WRAPPED_BYTES = WRAP_NONCE_BYTES + KEY_BYTES + 16


def wrap(segment_key: bytes, spool_key: bytes, nonce: bytes, name: str) -> bytes:
    """Return segment_key under spool_key, bound to the segment's name; nonce is random, 12 bytes."""
    return nonce + AESGCM(spool_key).encrypt(nonce, segment_key, name.encode())


def unwrap(wrapped: bytes, spool_key: bytes, name: str) -> bytes:
    """Return the segment's key.

    Raises:
        SpoolError: it was wrapped by another key or for another segment, or is damaged.
    """
    nonce, sealed = wrapped[:WRAP_NONCE_BYTES], wrapped[WRAP_NONCE_BYTES:]
    try:
        return AESGCM(spool_key).decrypt(nonce, sealed, name.encode())
    except (InvalidTag, ValueError) as error:
        raise SpoolError(f"spool: {name}: its key cannot be unwrapped with this spool key") from error


def encrypt(segment_key: bytes, counter: int, data: bytes) -> bytes:
    """Return data encrypted as the segment's counter-th record."""
    return AESGCM(segment_key).encrypt(_nonce(counter), data, None)


def decrypt(segment_key: bytes, counter: int, sealed: bytes) -> bytes:
    """Return the data of the segment's counter-th record.

    Raises:
        SpoolError: it was altered.
    """
    try:
        return AESGCM(segment_key).decrypt(_nonce(counter), sealed, None)
    except (InvalidTag, ValueError) as error:
        raise SpoolError(f"spool: record {counter} does not decrypt") from error


def _nonce(counter: int) -> bytes:
    return counter.to_bytes(12, "big")
