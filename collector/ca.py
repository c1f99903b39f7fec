"""The collector's own certificate authority, for both listeners and for the agents' TLS keys: P-256.

Time is an argument (UTC ns); `open_authority` and `create` are the only functions that touch the disk.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import re
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import files
from .errors import Denied, NotSetUp
from .paths import Paths

_URI = "urn:vedette:agent:"
_AGENT = re.compile(_URI + "[0-9a-f]{32}")
_BACKDATED = dt.timedelta(minutes=10)
"""A host whose clock is a little behind must not find its certificate not yet valid."""
_ANCHORS = 2
_KEY = "ca.key"
_CERTIFICATE = "ca.pem"
_BUNDLE = "anchors.pem"


class Authority:
    """Issues certificates. anchors are what hosts trust: its own, and one more during a rotation."""

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        certificate: x509.Certificate,
        anchors: Sequence[x509.Certificate],
    ) -> None:
        self._key = key
        self.certificate = certificate
        self.anchors = tuple(anchors)

    def bundle(self) -> str:
        """Return the anchors as PEM."""
        return "".join(_pem(anchor) for anchor in self.anchors)

    def pin(self) -> str:
        """Return the hex SHA-256 of this authority's public key (SPKI, DER), as a token quotes it."""
        return spki_digest(self.certificate)

    def issue_client(self, request: x509.CertificateSigningRequest, agent: str, now: int, days: int) -> str:
        """Return a client certificate for agent as PEM; nothing of the request but its key is taken over."""
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(_URI + agent)])
        builder = self._leaf(agent, request.public_key(), names, now, days)
        return _pem(self._sign(builder, ExtendedKeyUsageOID.CLIENT_AUTH))

    def issue_server(self, names: Sequence[str], now: int, days: int) -> bytes:
        """Return a new key, a server certificate for names (DNS or IP) and this authority's, as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        builder = self._leaf("Vedette collector", key.public_key(), alternatives, now, days)
        certificate = self._sign(builder, ExtendedKeyUsageOID.SERVER_AUTH)
        return _key_pem(key) + (_pem(certificate) + _pem(self.certificate)).encode()

    def _leaf(
        self,
        name: str,
        public: CertificatePublicKeyTypes,
        names: x509.SubjectAlternativeName,
        now: int,
        days: int,
    ) -> x509.CertificateBuilder:
        return (
            _builder(name, now, days)
            .issuer_name(self.certificate.subject)
            .public_key(public)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(names, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )

    def _sign(self, builder: x509.CertificateBuilder, purpose: x509.ObjectIdentifier) -> x509.Certificate:
        return (
            builder.add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def generate(now: int, days: int) -> Authority:
    """Return a new authority with a new key."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    name = f"Vedette enrolment CA {_time(now):%Y-%m-%d}"
    certificate = (
        _builder(name, now, days)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .public_key(public)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(key, certificate, (certificate,))


def create(paths: Paths, now: int, days: int) -> Authority:
    """Make a new authority and keep it in the state folder."""
    authority = generate(now, days)
    files.make_folder(paths.ca)
    files.write(paths.ca / _KEY, _key_pem(authority._key))  # noqa: SLF001 - the key leaves only to its file
    files.write(paths.ca / _BUNDLE, authority.bundle().encode())
    files.write(paths.ca / _CERTIFICATE, _pem(authority.certificate).encode())
    return authority


def open_authority(paths: Paths) -> Authority:
    """Return the authority of the state folder.

    Raises:
        NotSetUp: there is none, or its files are damaged.
    """
    try:
        key = serialization.load_pem_private_key((paths.ca / _KEY).read_bytes(), None)
        certificate = x509.load_pem_x509_certificate((paths.ca / _CERTIFICATE).read_bytes())
        anchors = x509.load_pem_x509_certificates((paths.ca / _BUNDLE).read_bytes())
    except OSError as error:
        raise NotSetUp(f"{error.filename}: {error.strerror}; run `vedette-collector setup`") from error
    except ValueError as error:
        raise NotSetUp(f"{paths.ca}: {error}; run `vedette-collector setup`") from error
    fits = isinstance(key, ec.EllipticCurvePrivateKey) and key.public_key() == certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not fits or len(anchors) > _ANCHORS:
        raise NotSetUp(f"{paths.ca}: key, certificate and anchors do not belong together; restore a backup")
    return Authority(key, certificate, anchors)


def read_request(pem: str) -> x509.CertificateSigningRequest:
    """Read a certificate signing request and check that its own key signed it.

    Raises:
        Denied: it does not parse, its signature is wrong, or its key is neither Ed25519 nor on P-256.
    """
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        key = request.public_key()
        if not isinstance(key, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey):
            raise Denied("CSR: the key is neither Ed25519 nor P-256")
        if isinstance(key, ec.EllipticCurvePublicKey) and not isinstance(key.curve, ec.SECP256R1):
            raise Denied(f"CSR: the key is on {key.curve.name}, not on P-256")
        if not request.is_signature_valid:
            raise Denied("CSR: its signature does not verify with its own key")
    except (ValueError, InvalidSignature, TypeError) as error:
        raise Denied(f"CSR: {error}") from error
    return request


def agent_of(certificate: x509.Certificate) -> str | None:
    """Return the agent a client certificate was issued for, None if it names none."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return None
    for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
        if _AGENT.fullmatch(uri):
            return uri.removeprefix(_URI)
    return None


def certificate_digest(pem: str) -> str:
    """Return the hex SHA-256 of a certificate's DER, as an enrolment entry quotes it."""
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(serialization.Encoding.DER)
    return hashlib.sha256(der).hexdigest()


def expiry(pem: str) -> int:
    """Return when a certificate expires, UTC ns."""
    return _nanoseconds(x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc)


def spki_digest(certificate: x509.Certificate) -> str:
    """Return the hex SHA-256 of a certificate's public key (SPKI, DER)."""
    spki = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(spki).hexdigest()


def is_due(pem: bytes, authority: Authority, names: Sequence[str], now: int) -> bool:
    """Tell whether a server certificate is to be replaced: at two thirds of its life, names, issuer."""
    try:
        leaf = x509.load_pem_x509_certificates(pem)[0]
        stated = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        leaf.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return True
    start, end = _nanoseconds(leaf.not_valid_before_utc), _nanoseconds(leaf.not_valid_after_utc)
    return set(stated) != {_general_name(name) for name in names} or now >= start + (end - start) * 2 // 3


def _builder(name: str, now: int, days: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .serial_number(x509.random_serial_number())
        .not_valid_before(_time(now) - _BACKDATED)
        .not_valid_after(_time(now) + dt.timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _time(now: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(now // 1_000_000_000, dt.UTC)


def _nanoseconds(time: dt.datetime) -> int:
    return int(time.timestamp()) * 1_000_000_000


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
