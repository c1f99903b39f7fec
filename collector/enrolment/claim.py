"""What an enrolment or renewal request proves by itself: shape, possession of both keys, one nonce. Pure."""

from __future__ import annotations

import hmac
from typing import TypeVar

import msgspec
from cryptography import x509

from evidence import dsse, enrolment
from evidence.enrolment import (
    REQUEST_LIMIT,
    Proof,
    Renewal,
    RenewalProof,
    Request,
    csr_digest,
)
from evidence.errors import EvidenceError
from evidence.refusal import Code

from .. import ca
from ..errors import Denied, Refused

_T = TypeVar("_T")

_request = msgspec.json.Decoder(Request)
_renewal = msgspec.json.Decoder(Renewal)


class Claim(msgspec.Struct, frozen=True):
    """An enrolment request whose signatures hold. Token and nonce are not yet judged."""

    secret: str
    envelope: str
    proof: Proof
    csr: x509.CertificateSigningRequest


class RenewalClaim(msgspec.Struct, frozen=True):
    """A renewal request that parses. Its envelope is checked once the agent's key is known."""

    envelope: dsse.Envelope
    proof: RenewalProof
    csr: x509.CertificateSigningRequest


def read_enrolment(body: bytes) -> Claim:
    """Read an enrolment request and check proof and CSR against each other.

    Raises:
        Refused: too_large or bad_request: it is no request at all.
        Denied: the proof, its signature or the CSR do not hold.
    """
    request = _decode(_request, body)
    try:
        proof = enrolment.proven(request.proof.encode())
    except EvidenceError as error:
        raise Denied(f"proof: {error}") from error
    return Claim(request.secret, request.proof, proof, _checked_csr(request.csr, proof.csr_sha256))


def read_renewal(body: bytes) -> RenewalClaim:
    """Read a renewal request that is proved by the host's signing key.

    Raises:
        Refused: too_large or bad_request: it is no request at all.
        Denied: proof and CSR do not belong together, or do not parse.
    """
    request = _decode(_renewal, body)
    try:
        opened, proof = enrolment.renewal_proof(request.proof.encode())
    except EvidenceError as error:
        raise Denied(f"proof: {error}") from error
    return RenewalClaim(opened, proof, _checked_csr(request.csr, proof.csr_sha256))


def read_renewal_csr(body: bytes) -> x509.CertificateSigningRequest:
    """Read the CSR of a renewal that is proved by the client certificate of its connection.

    Raises:
        Refused: too_large or bad_request: it is no request at all.
        Denied: the CSR does not hold.
    """
    request = _decode(_renewal, body)
    return ca.read_request(request.csr)


def _decode(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T:
    if len(body) > REQUEST_LIMIT:
        raise Refused(Code.TOO_LARGE, f"request: more than {REQUEST_LIMIT} bytes")
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(Code.BAD_REQUEST, f"request: {error}") from error


def _checked_csr(pem: str, digest: str) -> x509.CertificateSigningRequest:
    if not hmac.compare_digest(csr_digest(pem), digest):
        raise Denied("CSR: it is not the one the proof names")
    return ca.read_request(pem)
