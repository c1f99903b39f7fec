"""Enrolment: pin the collector's CA, prove both keys, verify the answer, write the identity once.

The token's pin is checked before its secret leaves this host, so there is no trust on first use. Keys are
kept before the request is sent: a host whose answer was lost asks again with the same keys, and gets the same
answer.
"""

from __future__ import annotations

import _ssl
import contextlib
import hashlib
import os
import socket
import ssl
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evidence import checkpoint, dsse, endpoints, entry, receipt
from evidence.enrolment import (
    PROOF_TYPE,
    Facts,
    Proof,
    Record,
    Reply,
    Request,
    Token,
    csr_digest,
    decode_base64,
)
from evidence.entry import EntryType
from evidence.errors import EvidenceError
from evidence.keys import PrivateKey

from .. import identity, machine
from ..errors import CollectorAway, DeliveryError, IdentityError
from ..identity import KEY_BYTES, Binding, Stored
from ..layout import Layout, prepare, watch_owner
from ..settings import Collector
from ..shipping import delivery, tls, tls_key
from ..spool.disk import Disk, LocalDisk
from ..supervision.privilege import Account

_CHAIN_LIMIT = 8
_OK, _TOO_MANY, _FAULT = 200, 429, 500


class Keys(msgspec.Struct, frozen=True):
    """What a host makes before it asks: the signing key's seed, the TLS key (PEM) and its CSR (PEM)."""

    seed: bytes
    tls_key: bytes
    csr: str


def enrol(
    layout: Layout,
    collector: Collector,
    token: Token,
    account: Account | None,
    random: Callable[[int], bytes],
    *,
    policy_key: bytes | None = None,
) -> Stored:
    """Enrol this host and return what was stored; policy_key is the fleet's, pinned from now on.

    Raises:
        IdentityError: it is enrolled already, or the state folder cannot be written.
        DeliveryError: the collector could not be reached, is not the pinned one, or refused.
    """
    if layout.identity.exists():
        raise IdentityError(f"{layout.identity}: this host is enrolled; `vedette-agent unenroll` first")
    keeper = watch_owner(layout) if account is not None else None
    prepare(layout, account, keeper)
    disk = LocalDisk(0o600)
    facts = machine.read()
    try:
        keys = _keys(layout, disk, random)
        anchor = fetch_anchor(collector.enrol, token.pin, collector.timeout)
        disk.replace(layout.ca, anchor.encode())
        reply = _ask(layout, collector, token, keys, facts)
        stored = verify(reply, keys, token, facts)
        if policy_key is not None:
            stored = msgspec.structs.replace(stored, policy_key=policy_key.hex())
        _keep(layout, stored, reply, keys, random(KEY_BYTES))
        if account is not None:
            hand_to_ship(layout, account)
        if keeper is not None:
            _give(layout.signing_key, keeper.uid, keeper.gid)
            _give(layout.spool_key, keeper.uid, -1)
        disk.create(layout.identity, identity.encode(stored))
        if keeper is not None:
            _give(layout.identity, keeper.uid, keeper.gid)
        disk.remove(layout.watch / "pending.key")
    except OSError as error:
        raise IdentityError(f"{layout.state}: {error}") from error
    return stored


def fetch_anchor(url: str, pin: str, timeout: float) -> str:
    """Return the CA certificate (PEM) with the pinned key, out of the chain the server presents.

    The handshake verifies nothing: it only reads certificates, and sends none of ours.

    Raises:
        DeliveryError: nobody answers, or no certificate of the chain has the pinned key.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise DeliveryError(f"[collector] enrol: {url!r} is no https:// address")
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.minimum_version = ssl.TLSVersion.TLSv1_3
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((parts.hostname, parts.port or 443), timeout) as plain,
            unverified.wrap_socket(plain, server_hostname=parts.hostname) as wrapped,
        ):
            chain = _presented(wrapped)
    except OSError as error:
        raise CollectorAway(f"{url}: {error}; is [collector] enrol right, and the collector up?") from error
    for certificate in chain:
        if _pin(certificate) == pin:
            return certificate.public_bytes(serialization.Encoding.PEM).decode()
    raise DeliveryError(
        f"{url}: presents another CA than the token pins; nothing was sent. "
        "Is this the collector that printed the token?"
    )


def verify(reply: Reply, keys: Keys, token: Token, facts: Facts) -> Stored:
    """Check an answer in full and return what to store.

    Raises:
        DeliveryError: it does not hold together: another key, proof or token, or not in the ledger.
    """
    try:
        raw = decode_base64(reply.entry, "entry")
        decode_base64(reply.redaction_key, "redaction_key")
        found = entry.decode(raw)
        record = msgspec.json.decode(found.payload, type=Record)
        ledger = checkpoint.parse_vkey(reply.ledger_key)
        got = receipt.from_bytes(reply.receipt.encode())
        receipt.check(got, raw, ledger, None)
        issued = x509.load_pem_x509_certificate(reply.certificate.encode())
        asked = x509.load_pem_x509_csr(keys.csr.encode())
        proof = _proven(record.proof, keys)
    except (EvidenceError, msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise DeliveryError(f"the collector's answer does not verify: {error}") from error
    public = PrivateKey(keys.seed).public.hex()
    certificate_sha256 = hashlib.sha256(issued.public_bytes(serialization.Encoding.DER)).hexdigest()
    checks = {
        "the entry is no enrolment": found.type is EntryType.ENROLMENT,
        "the entry names another agent": (record.agent, record.epoch) == (reply.agent, reply.epoch),
        "the entry names another signing key": record.public == public == proof.public,
        "the entry names another token": record.token == token.id == proof.token,
        "the entry's proof is for another CSR": proof.csr_sha256 == csr_digest(keys.csr),
        "the entry names another certificate": record.certificate_sha256 == certificate_sha256,
        "the certificate is for another key": issued.public_key() == asked.public_key(),
    }
    for problem, holds in checks.items():
        if not holds:
            raise DeliveryError(f"the collector's answer does not verify: {problem}")
    return Stored(
        agent=reply.agent,
        epoch=reply.epoch,
        entry=entry.digest(raw),
        ledger=reply.ledger_key,
        redaction_key=reply.redaction_key,
        checkpoint=got.checkpoint,
        public=public,
        facts=facts,
        labels=record.labels,
    )


def _proven(envelope: str, keys: Keys) -> Proof:
    """Return the proof in an entry, once our own key's signature on it was checked."""
    opened = dsse.parse(envelope.encode(), PROOF_TYPE)
    dsse.check(opened, PrivateKey(keys.seed).public)
    return msgspec.json.decode(opened.payload, type=Proof)


def _keys(layout: Layout, disk: Disk, random: Callable[[int], bytes]) -> Keys:
    """Return the keys to ask with: those of an earlier try, or new ones, kept before they are used."""
    pending = layout.watch / "pending.key"
    with contextlib.suppress(FileNotFoundError):
        found = disk.read(pending, 0, 1 << 16)
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.msgpack.decode(found, type=Keys)
    key = tls_key.new_key()
    keys = Keys(random(KEY_BYTES), key, tls_key.request(key, "vedette-agent"))
    disk.replace(pending, msgspec.msgpack.encode(keys))
    return keys


def _ask(layout: Layout, collector: Collector, token: Token, keys: Keys, facts: Facts) -> Reply:
    """Fetch a nonce, sign the proof, post the request; verified by the pinned anchor and the host's name."""
    base = collector.enrol.rstrip("/")
    made = tls.context(layout.ca.read_text())
    signer = PrivateKey(keys.seed)
    try:
        with tls.Connection(base, made, collector.timeout) as connection:
            nonce = _nonce(connection, base)
            proof = Proof(nonce, token.id, csr_digest(keys.csr), signer.public.hex(), facts)
            envelope = dsse.encode(msgspec.json.encode(proof), PROOF_TYPE, signer)
            body = msgspec.json.encode(Request(token.secret, keys.csr, envelope.decode()))
            raw = _call(connection, "POST", base, endpoints.ENROL, body)
        return msgspec.json.decode(raw, type=Reply)
    except ssl.SSLCertVerificationError as error:
        raise DeliveryError(f"{base}: {error}") from error
    except OSError as error:
        raise CollectorAway(f"{base}: {error}") from error
    except EvidenceError as error:
        raise DeliveryError(f"{base}: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DeliveryError(f"{base}: the answer is no enrolment: {error}") from error


def _nonce(connection: tls.Connection, base: str) -> str:
    raw = _call(connection, "GET", base, endpoints.NONCE, None)
    found = msgspec.json.decode(raw, type=dict[str, str])
    if "nonce" not in found:
        raise DeliveryError(f"{base}{endpoints.NONCE}: no nonce in the answer")
    return found["nonce"]


def _call(connection: tls.Connection, method: str, base: str, path: str, body: bytes | None) -> bytes:
    answer = connection.ask(method, path, body, {"Content-Type": "application/json"})
    if answer.status == _OK:
        return answer.body
    refusal = delivery.read_refusal(answer.body)
    if answer.status == _TOO_MANY or answer.status >= _FAULT:
        raise CollectorAway(f"{base}{path}: {refusal.message if refusal else f'HTTP {answer.status}'}")
    reason = refusal.message if refusal else f"HTTP {answer.status}"
    hint = "; the exact reason is in the collector's log" if refusal else ""
    raise DeliveryError(f"{base}{path}: refused: {reason}{hint}")


def _keep(layout: Layout, stored: Stored, reply: Reply, keys: Keys, spool_key: bytes) -> None:
    """Write all files but the identity; until that is there, this host is not enrolled."""
    disk = LocalDisk(0o600)
    disk.replace(layout.signing_key, keys.seed)
    disk.replace(layout.ca, reply.ca.encode())
    disk.replace(layout.certificate, keys.tls_key + reply.certificate.encode())
    binding = Binding(stored.agent, stored.epoch, stored.facts)
    disk.replace(layout.binding, msgspec.json.encode(binding))
    LocalDisk(0o640).replace(layout.spool_key, spool_key)


def hand_to_ship(layout: Layout, account: Account) -> None:
    """Give ship its own files, and its group the spool key."""
    for path in (layout.ca, layout.certificate, layout.binding):
        _give(path, account.uid, account.gid)
    _give(layout.spool_key, -1, account.gid)


def _give(path: Path, uid: int, gid: int) -> None:
    os.chown(path, uid, gid)


def _presented(wrapped: ssl.SSLSocket) -> list[x509.Certificate]:
    """Return the certificates the server sent, as far as they parse."""
    if hasattr(wrapped, "get_unverified_chain"):
        sent = list(wrapped.get_unverified_chain())
    else:
        inner = wrapped._sslobj  # type: ignore[attr-defined]  # noqa: SLF001 - public since Python 3.13 only
        sent = [item.public_bytes(_ssl.ENCODING_DER) for item in inner.get_unverified_chain() or ()]
    found: list[x509.Certificate] = []
    for der in sent[:_CHAIN_LIMIT]:
        with contextlib.suppress(ValueError):
            found.append(x509.load_der_x509_certificate(der))
    return found


def _pin(certificate: x509.Certificate) -> str:
    """Return the hex SHA-256 of a certificate's public key (SPKI, DER)."""
    spki = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(spki).hexdigest()
