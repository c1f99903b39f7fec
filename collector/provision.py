"""Make what a collector needs before it can serve; each step is skipped where its result is there."""

from __future__ import annotations

import base64
import os
import secrets
import socket
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from evidence import dsse, entry
from evidence.checkpoint import VerifierKey
from evidence.enrolment import OWN_TOKEN, PROOF_TYPE, Facts, Proof, Record, csr_digest
from evidence.entry import EntryType
from evidence.keys import PrivateKey

from . import ca, files, identity, tls
from .ca import Authority
from .clock import SystemClock
from .enrolment.enrolments import Enrolments
from .errors import NotSetUp
from .identity import Identity
from .ledger_access import log_name
from .ledger_access.keeper import Keeper
from .paths import Paths
from .settings import Settings
from .state_db import StateDb
from .version import VERSION

_SEED_BYTES = 32


def provision(settings: Settings, paths: Paths, now: int) -> list[str]:
    """Make folders, keys, CA, certificates, database, ledger and the collector's own identity.

    Returns:
        What was made, in words; nothing when all was there.

    Raises:
        NotSetUp: part of an older state is missing; making it anew would break what hosts trust.
        LedgerError: the ledger is in use or damaged.
    """
    if paths.restoring.exists() and not paths.identity.exists():
        raise NotSetUp(f"{paths.root}: a restore did not end: run `vedette-collector restore` again")
    for folder in (paths.root, paths.ledger_key.parent, paths.ledger, paths.lake, paths.run):
        files.make_folder(folder)
    founded = paths.identity.exists()
    made = [
        _describe(path)
        for path in (paths.ledger_key, paths.agent_key, paths.redaction_key)
        if _seed(path, founded)
    ]
    if not paths.state_db.exists():
        made.append(f"database {paths.state_db}")
    StateDb(paths.state_db).create()
    authority, fresh = _authority(settings, paths, founded, now)
    if fresh:
        made.append(f"certificate authority {paths.ca}")
    written = tls.renew_server_certificates(
        paths, authority, settings.console.names, settings.certificates.server_days, now
    )
    made += [f"server certificate {path}" for path in written]
    if not founded:
        made.append(_found(settings, paths, authority, now))
    return made


def _seed(path: Path, founded: bool) -> bool:
    """Make a key that is missing, and tell whether it was."""
    if path.exists():
        return False
    if founded:
        raise NotSetUp(f"{path}: missing from a collector that was set up; restore it from a backup")
    files.write(path, secrets.token_bytes(_SEED_BYTES))
    return True


def _describe(path: Path) -> str:
    return f"key {path}"


def _authority(settings: Settings, paths: Paths, founded: bool, now: int) -> tuple[Authority, bool]:
    if founded or (paths.ca / "ca.pem").exists():
        return ca.open_authority(paths), False
    return ca.create(paths, now, settings.certificates.ca_days), True


def _found(settings: Settings, paths: Paths, authority: Authority, now: int) -> str:
    """Begin the ledger with the collector's own enrolment, or take up where an earlier setup broke off."""
    keeper = Keeper(paths, log_name.read(paths, settings).origin, SystemClock())
    try:
        if keeper.ledger.size == 0:
            payload = _own_enrolment(PrivateKey(paths.agent_key.read_bytes()), authority, settings, now)
            keeper.append(EntryType.ENROLMENT, payload)
        first = keeper.ledger.entry(0)
    finally:
        keeper.close()
    found = entry.decode(first)
    record = msgspec.json.decode(found.payload, type=Record)
    Enrolments(StateDb(paths.state_db)).take(0, [first])
    identity.save(paths, Identity(record.agent, record.epoch, base64.b64encode(first).decode()))
    return f"ledger {paths.ledger}, origin {settings.origin}, with this collector as agent {record.agent}"


def _own_enrolment(key: PrivateKey, authority: Authority, settings: Settings, now: int) -> bytes:
    """Return the payload of the first entry: an enrolment like any other, with the same proof.

    Its TLS key is thrown away: the collector ships to nobody.
    """
    agent = secrets.token_hex(16)
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .sign(Ed25519PrivateKey.generate(), None)
    )
    pem = request.public_bytes(Encoding.PEM).decode()
    facts = Facts(
        _machine_id(), _boot_id(), socket.gethostname()[:64], kernel=os.uname().release[:64], version=VERSION
    )
    proof = Proof(secrets.token_urlsafe(16), OWN_TOKEN, csr_digest(pem), key.public.hex(), facts)
    record = Record(
        agent=agent,
        epoch=1,
        time=now,
        public=key.public.hex(),
        proof=dsse.encode(msgspec.json.encode(proof), PROOF_TYPE, key).decode(),
        token=OWN_TOKEN,
        certificate_sha256=ca.certificate_digest(
            authority.issue_client(request, agent, now, settings.certificates.client_days)
        ),
        labels={"role": "collector"},
    )
    return msgspec.json.encode(record)


def ledger_key(settings: Settings, paths: Paths) -> str:
    """Return the ledger's verifier key, as hosts pin it and `verify --trust` takes it."""
    return str(VerifierKey(log_name.read(paths, settings).origin, identity.ledger_signer(paths).public))


def _machine_id() -> str:
    try:
        return Path("/etc/machine-id").read_text("ascii").strip()[:64]
    except OSError:
        return ""


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
