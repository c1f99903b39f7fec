"""Enrolment and renewal: what is asked, what is signed, what is answered, and the entry that records it."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated

import msgspec

from . import dsse, strict
from .dsse import Envelope
from .errors import CodecError
from .statement import AgentId, Count, Hash, Ordinal, Short

REQUEST_LIMIT = 32_768
"""Bytes of an enrolment or renewal request."""
PROOF_TYPE = "application/vnd.vedette.enrolment.v1+json"
RENEWAL_TYPE = "application/vnd.vedette.renewal.v1+json"
OWN_TOKEN = "setup"  # noqa: S105 - a name
"""What stands in the collector's own enrolment where hosts name their token; no token has such an id."""

Secret = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]
Pem = Annotated[str, msgspec.Meta(max_length=8192)]
Text = Annotated[str, msgspec.Meta(max_length=8192)]

_TOKEN = re.compile(r"vdt1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{43})\.([0-9a-f]{64})")


class Token(msgspec.Struct, frozen=True):
    """The line `token create` prints: id, secret, SHA-256 of the enrolment CA's public key (SPKI, DER)."""

    id: str
    secret: str
    pin: str

    def line(self) -> str:
        """Return the one line to copy."""
        return f"vdt1.{self.id}.{self.secret}.{self.pin}"


def parse_token(line: str) -> Token:
    """Read a token line.

    Raises:
        CodecError: it is not of the form ``vdt1.<16 hex>.<43 base64url>.<64 hex>``; the secret is not shown.
    """
    match = _TOKEN.fullmatch(line.strip())
    if match is None:
        raise CodecError("token: not of the form vdt1.<id>.<secret>.<pin>; copy the whole line")
    return Token(*match.groups())


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What identifies the machine; host is a label only (R37)."""

    machine_id: Short
    boot_id: Short
    host: Short
    instance_id: Short | None = None
    os: Short | None = None
    kernel: Short | None = None
    version: Short | None = None


class Proof(msgspec.Struct, frozen=True):
    """What the signing key signs (DSSE, PROOF_TYPE): possession, bound to this nonce and CSR."""

    nonce: Short
    token: Short
    csr_sha256: Hash
    public: Hash
    facts: Facts


class Request(msgspec.Struct, frozen=True):
    """The body of POST /v1/enrol. secret is the token's; csr is PEM; proof the DSSE envelope, as text."""

    secret: Secret
    csr: Pem
    proof: Text


class RenewalProof(msgspec.Struct, frozen=True):
    """What the signing key signs (DSSE, RENEWAL_TYPE) to renew the client certificate."""

    nonce: Short
    agent: AgentId
    epoch: Ordinal
    csr_sha256: Hash


class Renewal(msgspec.Struct, frozen=True):
    """The body of POST /v1/renew."""

    csr: Pem
    proof: Text


class Reply(msgspec.Struct, frozen=True):
    """The answer to an enrolment; entry is the base64 enrolment entry, receipt its receipt as JSON.

    Both chains' first statements quote the entry's SHA-256. redaction_key is base64, for watch only.
    """

    agent: AgentId
    epoch: Ordinal
    certificate: str
    ca: str
    ledger_key: str
    redaction_key: str
    entry: str
    receipt: str


class RenewalReply(msgspec.Struct, frozen=True):
    """The answer to a renewal: the new certificate and the CA bundle that now holds."""

    certificate: str
    ca: str


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """The enrolment entry's payload, as JSON: everything an auditor needs to believe a key.

    proof is the agent's DSSE envelope, public its raw signing key in hex, csr_sha256 and certificate_sha256
    bind the TLS key; successor_of names the agent whose lost disk this one replaces.
    """

    agent: AgentId
    epoch: Ordinal
    time: Count
    public: Hash
    proof: str
    token: Short
    certificate_sha256: Hash
    labels: dict[str, str] = {}
    successor_of: AgentId | None = None


class RevocationRecord(msgspec.Struct, frozen=True):
    """The revocation entry's payload, as JSON: who revoked which agent, and why. epoch None: all epochs."""

    agent: AgentId
    epoch: Ordinal | None
    time: Count
    author: Short
    reason: str


_proofs = msgspec.json.Decoder(Proof)
_renewal_proofs = msgspec.json.Decoder(RenewalProof)
_records = msgspec.json.Decoder(Record)
_revocations = msgspec.json.Decoder(RevocationRecord)


def proven(envelope: bytes) -> Proof:
    """Return the proof in an envelope that the key it names has signed.

    Raises:
        EvidenceError: it is no such envelope, or its signature does not hold.
    """
    opened = dsse.parse(envelope, PROOF_TYPE)
    proof = strict.decode(_proofs, opened.payload, "proof")
    dsse.check(opened, bytes.fromhex(proof.public))
    return proof


def renewal_proof(envelope: bytes) -> tuple[Envelope, RenewalProof]:
    """Return the proof in an envelope of a renewal; whether the agent's key signed it is still to be checked.

    Raises:
        EvidenceError: it is no such envelope.
    """
    opened = dsse.parse(envelope, RENEWAL_TYPE)
    return opened, strict.decode(_renewal_proofs, opened.payload, "proof")


def record(payload: bytes) -> Record:
    """Read an enrolment entry's payload.

    Raises:
        CodecError: a field is missing, there twice or wrong; the message names it.
    """
    return strict.decode(_records, payload, "enrolment entry")


def revocation(payload: bytes) -> RevocationRecord:
    """Read a revocation entry's payload.

    Raises:
        CodecError: a field is missing, there twice or wrong; the message names it.
    """
    return strict.decode(_revocations, payload, "revocation entry")


def csr_digest(csr: str) -> str:
    """Return the hex SHA-256 of a CSR's PEM text, as a proof quotes it."""
    return hashlib.sha256(csr.encode()).hexdigest()


def decode_base64(text: str, field: str) -> bytes:
    """Return strict base64 decoded.

    Raises:
        CodecError: it is not base64; the message names field.
    """
    try:
        return strict.from_base64(text)
    except ValueError as error:
        raise CodecError(f"{field}: {error}") from error
