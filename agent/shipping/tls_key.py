"""The TLS client's key and certificate: made, asked for, checked. Only enrolments and renewals load this."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


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


def check(key: bytes, certificate: str, anchors: str) -> None:
    """Check that a certificate (PEM) is for a key, and that there are anchors (PEM).

    Raises:
        ValueError: it is for another key, or something is no certificate.
    """
    issued = x509.load_pem_x509_certificate(certificate.encode())
    private = serialization.load_pem_private_key(key, None)
    if issued.public_key() != private.public_key():
        raise ValueError("the certificate is not for the key that asked")
    x509.load_pem_x509_certificates(anchors.encode())
