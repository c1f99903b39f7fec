"""Enrolment and renewal over real TLS, by a client that knows only the wire protocol."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from evidence import endpoints
from evidence.enrolment import RenewalReply, Reply, parse_token
from evidence.refusal import Code, Refusal
from tests.contract.enrolling import Applicant
from tests.system.collector_at_work import CollectorAtWork


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorAtWork]:
    made = CollectorAtWork(tmp_path_factory.mktemp("collector"))
    made.command("setup")
    made.serve()
    yield made
    made.close()


class Client:
    """One TLS connection to a listener, with or without a client certificate."""

    def __init__(self, collector: CollectorAtWork, listener: str, pem: Path | None = None) -> None:
        context = ssl.create_default_context(cafile=str(collector.state / "ca" / "anchors.pem"))
        if pem is not None:
            context.load_cert_chain(pem)
        self._http = http.client.HTTPSConnection(
            "127.0.0.1", collector.port(listener), context=context, timeout=30
        )

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        self._http.request(method, path, body)
        answer = self._http.getresponse()
        return answer.status, answer.read()

    def nonce(self) -> str:
        found: dict[str, str] = json.loads(self.ask("GET", endpoints.NONCE)[1])
        return found["nonce"]


class Keys:
    """A TLS key, its CSR, and the file that holds it with a certificate."""

    def __init__(self, file: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = file
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        self.csr = request.sign(self._key, SHA256()).public_bytes(Encoding.PEM).decode()

    def save(self, certificate: str) -> Path:
        raw = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.file.write_bytes(raw + certificate.encode())
        return self.file


def enrol(collector: CollectorAtWork, keys: Keys) -> tuple[Applicant, Reply]:
    token = parse_token(collector.command("token", "create"))
    applicant = Applicant(csr=keys.csr)
    client = Client(collector, "console")
    status, body = client.ask("POST", endpoints.ENROL, applicant.request(token, client.nonce()))
    assert status == 200, body
    return applicant, msgspec.json.decode(body, type=Reply)


def test_a_certificate_renews_over_its_own_connection_until_it_is_revoked(
    collector: CollectorAtWork, tmp_path: Path
) -> None:
    keys = Keys(tmp_path / "first.pem")
    _, reply = enrol(collector, keys)
    client = Client(collector, "ingest", keys.save(reply.certificate))
    fresh = Keys(tmp_path / "second.pem")
    body = msgspec.json.encode({"csr": fresh.csr, "proof": ""})
    status, answer = client.ask("POST", endpoints.RENEW, body)
    assert status == 200, answer
    renewed = fresh.save(msgspec.json.decode(answer, type=RenewalReply).certificate)
    again = Client(collector, "ingest", renewed)
    assert again.ask("POST", endpoints.RENEW, body)[0] == 200
    collector.command("agents", "revoke", reply.agent, "--reason", "test")
    for connection in (client, again):
        status, answer = connection.ask("POST", endpoints.RENEW, body)
        assert (status, msgspec.json.decode(answer, type=Refusal).code) == (403, Code.REVOKED)


def test_a_host_without_a_valid_certificate_renews_by_its_signing_key(
    collector: CollectorAtWork, tmp_path: Path
) -> None:
    applicant, reply = enrol(collector, Keys(tmp_path / "old.pem"))
    fresh = Keys(tmp_path / "new.pem")
    applicant.csr = fresh.csr
    client = Client(collector, "console")
    status, answer = client.ask("POST", endpoints.RENEW, applicant.renewal(reply.agent, client.nonce()))
    assert status == 200, answer
    renewed = fresh.save(msgspec.json.decode(answer, type=RenewalReply).certificate)
    status, note = Client(collector, "ingest", renewed).ask("GET", endpoints.CHECKPOINT)
    assert status == 200
    assert note.startswith(b"test.local/log\n")


def test_ingest_speaks_to_nobody_without_a_certificate(collector: CollectorAtWork) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        Client(collector, "ingest").ask("GET", endpoints.CHECKPOINT)


def test_enrolment_goes_on_after_every_part_was_killed(collector: CollectorAtWork, tmp_path: Path) -> None:
    for part in ("ingest", "console"):
        killed = collector.wait_until_ready()[part]
        os.kill(killed, signal.SIGKILL)
        collector.wait_until_ready(without=killed)
        enrol(collector, Keys(tmp_path / part))
