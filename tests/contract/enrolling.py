"""An enrolment listener without the network, and hosts that ask it, with at most one thing wrong."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.applications import Starlette

from collector import ca
from collector.enrolment import registrar, roll
from collector.enrolment.enrolments import Enrolments
from collector.enrolment.nonces import Nonces
from collector.enrolment.registrar import Registrar
from collector.enrolment.renewals import Renewals
from collector.enrolment.routes import Enrolment, Limits
from collector.enrolment.tokens import Terms, Tokens, mint
from collector.errors import LedgerError
from collector.state_db import StateDb
from evidence import dsse, endpoints
from evidence.enrolment import (
    PROOF_TYPE,
    RENEWAL_TYPE,
    Facts,
    Proof,
    Renewal,
    RenewalProof,
    Reply,
    Request,
    Token,
    csr_digest,
)
from evidence.entry import EntryType
from evidence.keys import PrivateKey
from evidence.kinds.collector import Act
from evidence.receipt import Receipt
from tests.collector.station import Station

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
START = 1_800_000_000 * SECOND


@dataclass
class Answer:
    """What a request was answered."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes

    def reply(self) -> Reply:
        assert self.status == 200, self.body
        return msgspec.json.decode(self.body, type=Reply)


class Desk:
    """A set-up collector that enrols. Its clock stands until it is moved, its acts are kept."""

    def __init__(self, root: Path, limits: Limits | None = None) -> None:
        self.now = START
        self.fails = False
        self.loses_answers = False
        self.acts: list[Act] = []
        station = Station(root)
        self.keeper = station.keeper()
        self.ledger_key = str(station.verifier)
        self.authority = ca.open_authority(station.paths)
        db = StateDb(station.paths.state_db)
        self.tokens, self.enrolments = Tokens(db), Enrolments(db)
        nonces = Nonces(secrets.token_bytes(32))
        self.registrar = Registrar(
            authority=self.authority,
            tokens=self.tokens,
            enrolments=self.enrolments,
            nonces=nonces,
            ledger=self,
            past=roll.LedgerFiles(station.paths),
            terms=registrar.Terms(14, self.ledger_key, base64.b64encode(b"r" * 32).decode()),
        )
        self.renewals = Renewals(self.authority, self.enrolments, 14)
        routes = Enrolment(
            self.registrar,
            self.renewals,
            nonces,
            record=self.record,
            limits=limits or Limits(),
            clock=lambda: self.now,
        ).routes()
        self.app = Starlette(routes=routes)

    def append(self, kind: EntryType, payload: bytes) -> Receipt:
        if self.fails:
            raise LedgerError("the disk is on fire")
        done = self.keeper.append(kind, payload)
        if self.loses_answers:
            raise LedgerError("the owner hung up")
        return done

    def record(self, act: Act) -> None:
        self.acts.append(act)

    def token(self, uses: int = 1, networks: tuple[str, ...] = (), seconds: int = 3600) -> Token:
        made = mint(self.authority.pin())
        self.tokens.add(made, Terms(self.now + seconds * SECOND, uses, networks), "admin", self.now)
        return made

    def nonce(self) -> str:
        found: dict[str, str] = msgspec.json.decode(self.call("GET", endpoints.NONCE).body)
        return found["nonce"]

    def post(self, body: bytes, address: str = "10.0.0.7") -> Answer:
        return self.call("POST", endpoints.ENROL, body, address)

    def renew(self, body: bytes) -> Answer:
        return self.call("POST", endpoints.RENEW, body)

    def call(self, method: str, path: str, body: bytes = b"", address: str = "10.0.0.7") -> Answer:
        return asyncio.run(_call(self.app, method, path, body, address))

    def reasons(self) -> list[str]:
        """Return the exact reasons the admin can read."""
        return [act.detail["reason"] for act in self.acts if act.detail]


async def _call(app: Starlette, method: str, path: str, body: bytes, address: str) -> Answer:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "https",
        "query_string": b"",
        "headers": [],
        "client": (address, 40_000),
        "server": ("collector", 7444),
    }
    await app(scope, receive, send)
    content = b"".join(each.get("body", b"") for each in sent[1:])
    return Answer(sent[0]["status"], dict(sent[0]["headers"]), content)


def make_csr(curve: ec.EllipticCurve | None = None) -> str:
    key = ec.generate_private_key(curve or ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, SHA256())
    return request.public_bytes(Encoding.PEM).decode()


def machine(name: str = "web-1", machine_id: str = "m" * 32, instance_id: str | None = None) -> Facts:
    return Facts(machine_id, "boot", name, instance_id)


@dataclass
class Applicant:
    """A host with both its keys."""

    facts: Facts = field(default_factory=machine)
    key: PrivateKey = field(default_factory=lambda: PrivateKey(secrets.token_bytes(32)))
    csr: str = field(default_factory=make_csr)

    def request(self, token: Token, nonce: str, **wrong: Any) -> bytes:
        """Return an enrolment request; wrong replaces one part of what it is made of."""
        signer: PrivateKey = wrong.get("signer", self.key)
        proof = Proof(
            nonce=nonce,
            token=token.id,
            csr_sha256=csr_digest(wrong.get("signed_csr", self.csr)),
            public=wrong.get("public", self.key.public.hex()),
            facts=wrong.get("facts", self.facts),
        )
        payload_type = wrong.get("payload_type", PROOF_TYPE)
        envelope = dsse.encode(msgspec.json.encode(proof), payload_type, signer).decode()
        return msgspec.json.encode(
            Request(
                wrong.get("secret", token.secret),
                wrong.get("csr", self.csr),
                wrong.get("envelope", envelope),
            )
        )

    def renewal(self, agent: str, nonce: str, epoch: int = 1, signer: PrivateKey | None = None) -> bytes:
        proof = RenewalProof(nonce, agent, epoch, csr_digest(self.csr))
        envelope = dsse.encode(msgspec.json.encode(proof), RENEWAL_TYPE, signer or self.key)
        return msgspec.json.encode(Renewal(self.csr, envelope.decode()))
