"""Renew the client certificate at two thirds of its life: ship asks and holds the key, watch can vouch.

A valid certificate renews itself over mutual TLS. For one that has expired, ship writes ``in/renewal.json``
(the enrolment listener's nonce and a CSR) and watch answers with ``out/renewal.json``, a DSSE envelope.
"""

from __future__ import annotations

import contextlib
import datetime as dt

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from evidence import dsse
from evidence.enrolment import RENEWAL_TYPE, Pem, RenewalProof, csr_digest
from evidence.statement import Hash, Short

from .identity import Identity
from .layout import Layout
from .spool.disk import Disk

FILE = "renewal.json"
LIMIT = 32_768
_SHARE = 2 / 3
WARN_DAYS = (1, 7, 30)
_DAY = 86_400


class Asked(msgspec.Struct, frozen=True):
    """What ship wants signed."""

    nonce: Short
    csr: Pem


class Signed(msgspec.Struct, frozen=True):
    """What watch signed: the proof's envelope, for the CSR with this digest and this nonce."""

    csr_sha256: Hash
    nonce: Short
    proof: str


class Life(msgspec.Struct, frozen=True):
    """A certificate's time, in UTC seconds."""

    begins: float
    ends: float

    def due(self, now: float) -> bool:
        """Return whether two thirds are over."""
        return now >= self.begins + (self.ends - self.begins) * _SHARE

    def expired(self, now: float) -> bool:
        """Return whether it is no longer valid."""
        return now >= self.ends

    def warning(self, now: float) -> int | None:
        """Return 1, 7 or 30 once so many days or fewer are left of a certificate that is due, else None.

        A certificate made for fewer days warns only when renewal is late.
        """
        if not self.due(now):
            return None
        return next((days for days in WARN_DAYS if self.ends - now <= days * _DAY), None)


def life(pem: bytes) -> Life:
    """Return the times of the first certificate in pem.

    Raises:
        ValueError: there is none.
    """
    found = x509.load_pem_x509_certificates(pem)[0]
    return Life(found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp())


def new_key() -> bytes:
    """Return a new TLS key (P-256) as PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def request(key: bytes, name: str) -> str:
    """Return a CSR for a key in PEM; the collector takes nothing from it but the public key."""
    private = serialization.load_pem_private_key(key, None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise TypeError("the TLS key is no P-256 key")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(private, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def answer(disk: Disk, layout: Layout, identity: Identity) -> bool:
    """Sign what ship asks for, as watch; call it with `take_receipts`. True if a proof was written.

    A request that does not parse is passed over; a proof says only whose key wants which CSR renewed.
    """
    path = layout.inbox / FILE
    if disk.size(path) is None:
        return False
    with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError, ValueError):
        raw = disk.read(path, 0, LIMIT)
        disk.remove(path)
        asked = msgspec.json.decode(raw, type=Asked)
        proof = RenewalProof(asked.nonce, identity.agent, identity.epoch, csr_digest(asked.csr))
        envelope = dsse.encode(msgspec.json.encode(proof), RENEWAL_TYPE, identity.signer)
        signed = Signed(proof.csr_sha256, asked.nonce, envelope.decode())
        disk.replace(layout.out / FILE, msgspec.json.encode(signed), durable=False)
        return True
    return False


def read_answer(disk: Disk, layout: Layout, asked: Asked) -> str | None:
    """Return watch's proof for what was asked, None while there is none."""
    try:
        signed = msgspec.json.decode(disk.read(layout.out / FILE, 0, LIMIT), type=Signed)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    fits = signed.nonce == asked.nonce and signed.csr_sha256 == csr_digest(asked.csr)
    return signed.proof if fits else None


def utc(seconds: float) -> str:
    """Return a time as ISO 8601."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
