"""DSSE envelopes in one canonical form; the signature covers the exact payload bytes, nothing is re-encoded.

Format: https://github.com/secure-systems-lab/dsse (protocol v1.0.2), one Ed25519 signature.
Canonical: ``{"payload":"<b64>","payloadType":"<type>","signatures":[{"keyid":"<hex>","sig":"<b64>"}]}``.
"""

from __future__ import annotations

import base64
import hmac
from typing import Annotated

import msgspec

from .errors import BadSignature, NotCanonical, TooLarge
from .keys import Signer, key_id, verify

ENVELOPE_LIMIT = 4096
"""Bytes an envelope may have."""


class _Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keyid: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    sig: Annotated[str, msgspec.Meta(min_length=88, max_length=88)]


class _Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    payload: str
    payloadType: str  # noqa: N815 - DSSE names it so
    signatures: tuple[_Signature]


class Envelope(msgspec.Struct, frozen=True):
    """An envelope that is in canonical form; whether its signature holds is not yet known."""

    payload: bytes
    payload_type: str
    key_id: str
    signature: bytes


_decoder = msgspec.json.Decoder(_Wire)


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding, the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def encode(payload: bytes, payload_type: str, signer: Signer, limit: int = ENVELOPE_LIMIT) -> bytes:
    """Sign payload and return the canonical envelope.

    Raises:
        TooLarge: the envelope would exceed limit bytes.
    """
    signature = signer.sign(pae(payload_type, payload))
    envelope = _canonical(payload, payload_type, key_id(signer.public), signature)
    _check_length(envelope, limit)
    return envelope


def _check_length(envelope: bytes, limit: int) -> None:
    if len(envelope) > limit:
        raise TooLarge(f"envelope: {len(envelope)} bytes, at most {limit}")


def _canonical(payload: bytes, payload_type: str, keyid: str, signature: bytes) -> bytes:
    wire = _Wire(
        base64.b64encode(payload).decode(),
        payload_type,
        (_Signature(keyid, base64.b64encode(signature).decode()),),
    )
    return msgspec.json.encode(wire)


def parse(envelope: bytes, payload_type: str, limit: int = ENVELOPE_LIMIT) -> Envelope:
    """Read an envelope without judging its signature.

    Raises:
        TooLarge: it is longer than limit bytes.
        NotCanonical: it is not byte for byte what `encode` would write, or holds another payload type.
    """
    _check_length(envelope, limit)
    try:
        wire = _decoder.decode(envelope)
        payload = base64.b64decode(wire.payload, validate=True)
        signature = base64.b64decode(wire.signatures[0].sig, validate=True)
    except (msgspec.DecodeError, ValueError) as error:
        raise NotCanonical(f"envelope: {error}") from error
    keyid = wire.signatures[0].keyid
    if wire.payloadType != payload_type:
        raise NotCanonical(f"envelope: payloadType is {wire.payloadType[:80]!r}, expected {payload_type!r}")
    # This alone makes the reading strict: no field is there twice, and base64 is in its one form.
    if not hmac.compare_digest(_canonical(payload, payload_type, keyid, signature), envelope):
        raise NotCanonical("envelope: not in canonical form (key order, white space or base64)")
    return Envelope(payload, payload_type, keyid, signature)


def check(envelope: Envelope, public: bytes) -> None:
    """Verify the envelope's signature with the raw public key.

    Raises:
        BadSignature: it was signed by another key, names another key, or was altered.
    """
    if not hmac.compare_digest(envelope.key_id, key_id(public)):
        raise BadSignature(f"the envelope names key {envelope.key_id[:16]!r}, not {key_id(public)[:16]}…")
    verify(public, pae(envelope.payload_type, envelope.payload), envelope.signature)
