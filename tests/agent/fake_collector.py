"""A collector on loopback, made of evidence functions alone: TLS 1.3, enrolment, ingest, renewal, lies."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import http.server
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from evidence import dsse, endpoints, entry, receipt, seal, statement
from evidence.enrolment import (
    PROOF_TYPE,
    RENEWAL_TYPE,
    Proof,
    Record,
    Renewal,
    RenewalProof,
    RenewalReply,
    Reply,
    Request,
    Token,
    csr_digest,
)
from evidence.entry import EntryType
from evidence.errors import EvidenceError
from evidence.refusal import STATUS, Code, Refusal
from tests.agent.chain import Log

NONCE = "nonce-1"
AGENT_ID = "cd" * 16
SECRET = "s" * 43
REDACTION = b"r" * 32
Answer = tuple[int, bytes, dict[str, str]]


class Refuse(Exception):
    def __init__(self, code: Code, retry_after: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after


class Ca:
    """A CA with an EC key, as the collector has one."""

    def __init__(self, name: str = "Test CA") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._builder(self.name, self.key.public_key(), 365, ca=True).sign(
            self.key, hashes.SHA256()
        )

    def _builder(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey, days: float, *, ca: bool = False
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        identifier = x509.SubjectKeyIdentifier.from_public_key
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=max(1.0, 1 - days)))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(identifier(public), critical=False)
        )

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def pin(self) -> str:
        spki = self.certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hashlib.sha256(spki).hexdigest()

    def issue(self, csr: str, days: float) -> str:
        asked = x509.load_pem_x509_csr(csr.encode()).public_key()
        assert isinstance(asked, ec.EllipticCurvePublicKey)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, AGENT_ID)])
        made = self._builder(name, asked, days).sign(self.key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM).decode()

    def server(self, host: str = "127.0.0.1") -> bytes:
        """Return key, certificate and the CA's, as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "collector")])
        builder = self._builder(subject, key.public_key(), 30)
        builder = builder.add_extension(names, critical=False).add_extension(issuer, critical=False)
        made = builder.sign(self.key, hashes.SHA256())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return private + made.public_bytes(serialization.Encoding.PEM) + self.pem.encode()


@dataclass
class FakeCollector:
    """Its behaviour is in plain fields that a test sets; what came in is in `batches`."""

    ca: Ca = field(default_factory=Ca)
    log: Log = field(default_factory=Log)
    days: float = 14
    before: Callable[[], None] | None = None
    lie: Callable[[str], str] | None = None
    reply_lie: Callable[[Reply], Reply] | None = None
    batches: dict[tuple[str, int], tuple[bytes, bytes]] = field(default_factory=dict)
    posts: list[tuple[str, int]] = field(default_factory=list)
    dropped: set[tuple[str, int]] = field(default_factory=set)
    enrolled: list[Record] = field(default_factory=list)
    nonces: int = 0
    ingest: str = ""
    enrol: str = ""

    @property
    def token(self) -> Token:
        return Token("ab" * 8, SECRET, self.ca.pin)

    def post_batch(self, body: bytes, known: int) -> bytes:
        if self.before is not None:
            self.before()
        envelope, data = seal.split_request(body)
        opened = dsse.parse(envelope, statement.PAYLOAD_TYPE)
        said = statement.from_bytes(opened.payload)
        key = said.lane, said.seq
        self.posts.append(key)
        if data:
            seal.check_data(said, data)
        elif said.length and key not in self.dropped:
            raise Refuse(Code.DATA_MISSING)
        self.dropped |= {(d.lane, seq) for d in said.dropped for seq in range(d.first, d.last + 1)}
        self.batches[key] = envelope, data
        raw = entry.encode(EntryType.BATCH, envelope)
        text = receipt.to_bytes(self.log.receipt(raw, known)).decode()
        return (self.lie(text) if self.lie else text).encode()

    def post_enrol(self, body: bytes) -> bytes:
        asked = msgspec.json.decode(body, type=Request)
        opened = dsse.parse(asked.proof.encode(), PROOF_TYPE)
        proof = msgspec.json.decode(opened.payload, type=Proof)
        dsse.check(opened, bytes.fromhex(proof.public))
        if (asked.secret, proof.nonce, proof.csr_sha256) != (SECRET, NONCE, csr_digest(asked.csr)):
            raise Refuse(Code.REFUSED)
        certificate = self.ca.issue(asked.csr, self.days)
        der = x509.load_pem_x509_certificate(certificate.encode()).public_bytes(serialization.Encoding.DER)
        record = Record(
            AGENT_ID, 1, 1, proof.public, asked.proof, proof.token, hashlib.sha256(der).hexdigest()
        )
        self.enrolled.append(record)
        raw = entry.encode(EntryType.ENROLMENT, msgspec.json.encode(record))
        reply = Reply(
            AGENT_ID,
            1,
            certificate,
            self.ca.pem,
            str(self.log.key),
            base64.b64encode(REDACTION).decode(),
            base64.b64encode(raw).decode(),
            receipt.to_bytes(self.log.receipt(raw, 0)).decode(),
        )
        return msgspec.json.encode(self.reply_lie(reply) if self.reply_lie else reply)

    def post_renew(self, body: bytes, *, by_certificate: bool) -> bytes:
        asked = msgspec.json.decode(body, type=Renewal)
        if not by_certificate:
            opened = dsse.parse(asked.proof.encode(), RENEWAL_TYPE)
            dsse.check(opened, bytes.fromhex(self.enrolled[-1].public))
            proof = msgspec.json.decode(opened.payload, type=RenewalProof)
            if (proof.nonce, proof.agent, proof.csr_sha256) != (NONCE, AGENT_ID, csr_digest(asked.csr)):
                raise Refuse(Code.REFUSED)
        return msgspec.json.encode(RenewalReply(self.ca.issue(asked.csr, self.days), self.ca.pem))

    def answer(self, method: str, path: str, body: bytes, known: int, *, ingest: bool) -> Answer:
        try:
            return 200, self._found(method, path, body, known, ingest=ingest), {}
        except Refuse as refusal:
            headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after is not None else {}
            text = msgspec.json.encode(Refusal(refusal.code, "because"))
            return STATUS[refusal.code], text, headers
        except (EvidenceError, msgspec.DecodeError) as error:
            return 400, msgspec.json.encode(Refusal(Code.BAD_REQUEST, str(error))), {}

    def _found(self, method: str, path: str, body: bytes, known: int, *, ingest: bool) -> bytes:
        if method == "GET" and path == endpoints.NONCE:
            self.nonces += 1
            return msgspec.json.encode({"nonce": NONCE})
        if path == endpoints.BATCHES and ingest:
            return self.post_batch(body, known)
        if path == endpoints.ENROL and not ingest:
            return self.post_enrol(body)
        if path == endpoints.RENEW:
            return self.post_renew(body, by_certificate=ingest)
        raise Refuse(Code.NOT_FOUND)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, collector: FakeCollector, context: ssl.SSLContext, *, ingest: bool) -> None:
        self.collector, self.ingest, self.context = collector, ingest, context
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: tests break handshakes on purpose."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        known = int(self.headers.get(endpoints.KNOWN_SIZE) or 0)
        status, raw, headers = self.server.collector.answer(
            self.command, self.path, body, known, ingest=self.server.ingest
        )
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = _any  # noqa: N815 - the base class wants these names

    def log_message(self, *_arguments: object) -> None:
        """Keep the tests' output clean."""


@contextlib.contextmanager
def running(collector: FakeCollector, folder: Path) -> Iterator[FakeCollector]:
    """Serve collector on two ports of loopback while the context lasts."""
    pem = folder / "server.pem"
    pem.write_bytes(collector.ca.server())
    servers = []
    for ingest in (True, False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(pem)
        if ingest:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=collector.ca.pem)
        servers.append(_Server(collector, context, ingest=ingest))
    collector.ingest, collector.enrol = servers[0].url, servers[1].url
    threads = [threading.Thread(target=one.serve_forever, args=(0.02,), daemon=True) for one in servers]
    for thread in threads:
        thread.start()
    try:
        yield collector
    finally:
        for one in servers:
            one.shutdown()
            one.server_close()
        for thread in threads:
            thread.join()
