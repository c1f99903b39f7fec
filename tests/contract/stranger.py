"""A client written from docs/wire.md alone: the standard library, cryptography and zstandard."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import secrets
import socket
import ssl
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

STATEMENT = "application/vnd.vedette.statement.v1+json"
ENROLMENT = "application/vnd.vedette.enrolment.v1+json"
RENEWAL = "application/vnd.vedette.renewal.v1+json"
BATCH_ENTRY, ENROLMENT_ENTRY = b"\x01", b"\x02"


class Untrue(Exception):
    """The collector said something that does not hold."""


def sha256(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


def raw_public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def pae(kind: str, payload: bytes) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def envelope(kind: str, payload: bytes, key: Ed25519PrivateKey) -> bytes:
    signature = base64.b64encode(key.sign(pae(kind, payload))).decode()
    keyid = sha256(raw_public(key)).hex()
    signatures = [{"keyid": keyid, "sig": signature}]
    return compact(
        {"payload": base64.b64encode(payload).decode(), "payloadType": kind, "signatures": signatures}
    )


# Section 9: checkpoints


@dataclass(frozen=True)
class Checkpoint:
    size: int
    root: bytes


def read_note(note: str, vkey: str) -> Checkpoint:
    """Return what a signed note says, once the ledger's key was seen to sign it."""
    name, key_hash, encoded = vkey.split("+", 2)
    key = base64.b64decode(encoded, validate=True)
    if key[:1] != b"\x01" or sha256(name.encode() + b"\n" + key)[:4].hex() != key_hash:
        raise Untrue("the verifier key's hash does not fit")
    text, _, signatures = note.partition("\n\n")
    origin, size, root = text.split("\n")[:3]
    if origin != name:
        raise Untrue("the checkpoint is of another log")
    for line in signatures.splitlines():
        _, signer, signature = line.split(" ")
        raw = base64.b64decode(signature, validate=True)
        if signer == name and raw[:4].hex() == key_hash:
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(raw[4:], f"{text}\n".encode())
            return Checkpoint(int(size), base64.b64decode(root, validate=True))
    raise Untrue("the ledger did not sign the checkpoint")


# Section 8: receipts. RFC 9162, sections 2.1.3.2 and 2.1.4.2


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right)


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry)


def hashes(listed: list[str]) -> list[bytes]:
    return [base64.b64decode(each, validate=True) for each in listed]


def inclusion_root(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    fn, sn, result = index, size - 1, leaf
    for hashed in path:
        if sn == 0:
            raise Untrue("the audit path is too long")
        if fn & 1 or fn == sn:
            result = node(hashed, result)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = node(result, hashed)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise Untrue("the audit path is too short")
    return result


def is_consistent(first: Checkpoint, second: Checkpoint, proof: list[bytes]) -> bool:
    if first.size == second.size:
        return first.root == second.root and not proof
    path = [first.root, *proof] if first.size & (first.size - 1) == 0 else list(proof)
    fn, sn = first.size - 1, second.size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for hashed in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(hashed, fr), node(hashed, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, hashed)
        fn, sn = fn >> 1, sn >> 1
    return (fr, sr, sn) == (first.root, second.root, 0)


def check_receipt(receipt: dict[str, Any], entry: bytes, vkey: str, known: Checkpoint | None) -> Checkpoint:
    """Return the checkpoint of a receipt that holds, and extends what is known."""
    shown = read_note(receipt["checkpoint"], vkey)
    path = hashes(receipt["inclusion"])
    if inclusion_root(leaf_hash(entry), receipt["index"], shown.size, path) != shown.root:
        raise Untrue("the entry is not in the log")
    if known is not None:
        proof = hashes(receipt.get("consistency", []))
        if shown.size != known.size and receipt.get("old_size", 0) != known.size:
            raise Untrue("the receipt is stale")
        if not is_consistent(known, shown, proof):
            raise Untrue("the log was forked")
    return shown


# Section 2: transport


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The code of a refusal."""
        return None if self.status == 200 else str(self.json["code"])


class Connection:
    """One TLS connection to a listener."""

    def __init__(self, port: int, ca: str, pem: Path | None = None) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(cadata=ca)
        if pem is not None:
            context.load_cert_chain(pem)
        self._http = http.client.HTTPSConnection("localhost", port, context=context, timeout=60)

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        self._http.request(method, path, body, headers or {})
        answer = self._http.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, answer.read())


def pinned_ca(port: int, pin: str) -> str:
    """Return the CA certificate with the pinned key out of the chain that the listener shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("localhost", port), 30) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        inner: Any = getattr(wrapped, "_sslobj")  # noqa: B009 - public from Python 3.13 on
        chain = [each.public_bytes().encode() for each in inner.get_unverified_chain()]
    for pem in chain:
        spki = (
            x509.load_pem_x509_certificate(pem)
            .public_key()
            .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )
        if sha256(spki).hex() == pin:
            return str(pem.decode())
    raise Untrue("the listener shows another CA than the token pins")


# Sections 3 to 7: a host


@dataclass(frozen=True)
class Batch:
    """A sealed batch: the statement's fields, its digest, envelope and data."""

    said: dict[str, Any]
    digest: str
    envelope: bytes
    data: bytes

    @property
    def body(self) -> bytes:
        return struct.pack(">I", len(self.envelope)) + self.envelope + self.data

    @property
    def entry(self) -> bytes:
        return BATCH_ENTRY + self.envelope


def event(seq: int, text: str) -> dict[str, Any]:
    return {
        "seq": seq,
        "time": time.time_ns(),
        "mono": time.monotonic_ns(),
        "body": {"kind": "agent.stop", "reason": text},
    }


@dataclass
class Stranger:
    """A host that enrolled by the document."""

    ports: dict[str, int]
    folder: Path
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    tls: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    agent: str = ""
    ca: str = ""
    vkey: str = ""
    anchor: str = ""
    known: Checkpoint | None = None
    heads: dict[str, tuple[int, str]] = field(default_factory=dict)
    events: int = 0

    def csr(self) -> str:
        made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(self.tls, None)
        return made.public_bytes(Encoding.PEM).decode()

    def enrolment_request(self, token: str, nonce: str, csr: str) -> bytes:
        _, token_id, secret, _ = token.split(".")
        facts = {"machine_id": secrets.token_hex(16), "boot_id": "boot", "host": "stranger"}
        proof = {
            "nonce": nonce,
            "token": token_id,
            "csr_sha256": sha256(csr.encode()).hex(),
            "public": raw_public(self.key).hex(),
            "facts": facts,
        }
        signed = envelope(ENROLMENT, compact(proof), self.key).decode()
        return compact({"secret": secret, "csr": csr, "proof": signed})

    def enrol(self, token: str) -> Answer:
        """Enrol and check the reply, or return the refusal."""
        self.ca = pinned_ca(self.ports["console"], token.split(".")[3])
        listener = Connection(self.ports["console"], self.ca)
        nonce = listener.ask("GET", "/v1/nonce").json["nonce"]
        answer = listener.ask("POST", "/v1/enrol", self.enrolment_request(token, nonce, self.csr()))
        if answer.status == 200:
            self._take(answer.json)
        return answer

    def _take(self, reply: dict[str, Any]) -> None:
        entry = base64.b64decode(reply["entry"], validate=True)
        record = json.loads(entry[1:])
        certificate = x509.load_pem_x509_certificate(reply["certificate"].encode())
        ours = (
            entry[:1] == ENROLMENT_ENTRY
            and record["agent"] == reply["agent"]
            and record["public"] == raw_public(self.key).hex()
            and record["certificate_sha256"] == sha256(certificate.public_bytes(Encoding.DER)).hex()
            and certificate.public_key() == self.tls.public_key()
        )
        if not ours:
            raise Untrue("the enrolment is not ours")
        self.agent, self.ca, self.vkey = reply["agent"], reply["ca"], reply["ledger_key"]
        self.known = check_receipt(json.loads(reply["receipt"]), entry, self.vkey, None)
        self.anchor = sha256(entry).hex()
        self.heads = {"priority": (0, self.anchor), "bulk": (0, self.anchor)}
        self.save(reply["certificate"])

    @property
    def pem(self) -> Path:
        return self.folder / f"{self.agent}.pem"

    def save(self, certificate: str) -> None:
        private = self.tls.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.pem.write_bytes(private + certificate.encode())

    def connect(self) -> Connection:
        return Connection(self.ports["ingest"], self.ca, self.pem)

    def seal(self, texts: list[str], lane: str = "bulk", **more: Any) -> Batch:
        """Seal events as the lane's next batch; more replaces or adds fields of the statement."""
        listed = [event(self.events + number, text) for number, text in enumerate(texts, 1)]
        self.events += len(listed)
        batch = self.sign(b"".join(compact(each) + b"\n" for each in listed), lane, listed, more)
        self.heads[lane] = (batch.said["seq"], batch.digest)
        return batch

    def sign(self, raw: bytes, lane: str, listed: list[dict[str, Any]], more: dict[str, Any]) -> Batch:
        data = more.pop("data", None) or zstandard.ZstdCompressor(write_content_size=True).compress(raw)
        seq, prev = self.heads[lane]
        other = self.heads["bulk" if lane == "priority" else "priority"]
        said: dict[str, Any] = {
            "agent": self.agent,
            "epoch": 1,
            "lane": lane,
            "seq": seq + 1,
            "prev": prev,
            "other": {"seq": other[0], "hash": other[1]},
            "boot": "boot",
            "sent": time.time_ns(),
            "mono": time.monotonic_ns(),
            "codec": "ndjson+zstd",
            "sha256": sha256(data).hex(),
            "length": len(data),
            "raw_length": len(raw),
            "events": len(listed),
            "version": "stranger",
        }
        if listed:
            said |= {"first_seq": listed[0]["seq"], "last_seq": listed[-1]["seq"]}
        if self.known is not None:
            said["seen"] = {"size": self.known.size, "root": self.known.root.hex()}
        payload = compact(said | more)
        return Batch(said | more, sha256(payload).hex(), envelope(STATEMENT, payload, self.key), data)

    def post(self, connection: Connection, body: bytes) -> Answer:
        known = {"Vedette-Known-Size": str(self.known.size if self.known else 0)}
        return connection.ask("POST", "/v1/batches", body, known)

    def ship(self, connection: Connection, batch: Batch) -> dict[str, Any]:
        """Send a batch and verify its receipt."""
        answer = self.post(connection, batch.body)
        if answer.status != 200:
            raise Untrue(f"refused: {answer.body!r}")
        receipt: dict[str, Any] = answer.json
        self.known = check_receipt(receipt, batch.entry, self.vkey, self.known)
        if receipt["index"] < batch.said.get("seen", {"size": 0})["size"] and not receipt.get("duplicate"):
            raise Untrue("the log shrank")
        return receipt

    def renewal_by_key(self, nonce: str, csr: str) -> bytes:
        proof = {"nonce": nonce, "agent": self.agent, "epoch": 1, "csr_sha256": sha256(csr.encode()).hex()}
        return compact({"csr": csr, "proof": envelope(RENEWAL, compact(proof), self.key).decode()})
