"""A collector's state folder, and agents that are enrolled with it: for tests of what touches the ledger."""

from __future__ import annotations

import secrets
import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from collector import ca, paths, provision
from collector.clock import SystemClock
from collector.ledger.disk import Disk
from collector.ledger_access.keeper import Keeper
from collector.settings import Settings
from evidence import dsse, entry
from evidence.checkpoint import VerifierKey, parse_vkey
from evidence.enrolment import PROOF_TYPE, Facts, Proof, Record
from evidence.entry import EntryType
from evidence.event import Event, stamp
from evidence.keys import PrivateKey
from evidence.kind import Body, Lane
from evidence.kinds.agent import Stop
from evidence.seal import Circumstances, Place, SealedBatch, request_body, seal
from evidence.statement import Dropped, Head, Seen


class Host:
    """An enrolled agent that seals batches in memory. Its client certificate and key are one PEM file."""

    def __init__(self, agent: str, key: PrivateKey, anchor: str, pem: Path) -> None:
        self.agent = agent
        self.key = key
        self.pem = pem
        self.anchor = anchor
        self.heads: dict[Lane, Head] = {"priority": Head(0, anchor), "bulk": Head(0, anchor)}
        self._event = 0

    def events(self, count: int, text: str = "reason") -> list[Event[Body]]:
        first = self._event + 1
        self._event += count
        return [
            stamp(Stop(reason=f"{text} {seq}"), seq=seq, time=time.time_ns(), mono=seq)
            for seq in range(first, first + count)
        ]

    def batch(
        self,
        events: Sequence[Event[Body]] | None = None,
        *,
        lane: Lane = "bulk",
        after: Head | None = None,
        dropped: tuple[Dropped, ...] = (),
        seen: Seen | None = None,
        epoch: int = 1,
        sent: int | None = None,
    ) -> SealedBatch:
        """Seal the lane's next batch; with after, one for another place, and the head stays."""
        other: Lane = "priority" if lane == "bulk" else "bulk"
        place = Place(self.agent, epoch, lane, after or self.heads[lane], self.heads[other])
        around = Circumstances("boot", sent or time.time_ns(), 5, "test", dropped=dropped, seen=seen)
        sealed = seal(self.events(2) if events is None else events, place, around, self.key)
        if after is None:
            self.heads[lane] = sealed.head
        return sealed

    def body(self, sealed: SealedBatch, *, data: bool = True) -> bytes:
        return request_body(sealed.envelope, sealed.data if data else b"")

    def context(self, anchors: Path) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(anchors))
        context.load_cert_chain(self.pem)
        return context


class Station:
    """A set-up collector whose server need not run."""

    def __init__(self, root: Path, settings: Settings | None = None) -> None:
        self.settings = msgspec.structs.replace(settings or Settings(), state=root, origin="test.local/log")
        self.paths = paths.of(self.settings)
        provision.provision(self.settings, self.paths, time.time_ns())

    @property
    def verifier(self) -> VerifierKey:
        return parse_vkey(provision.ledger_key(self.settings, self.paths))

    def keeper(self, disk: Disk | None = None) -> Keeper:
        return Keeper(self.paths, self.settings.origin, SystemClock(), disk)

    def enrol(self, keeper: Keeper, folder: Path) -> Host:
        """Enrol a new agent by an entry, and give it a certificate."""
        key, agent = PrivateKey(secrets.token_bytes(32)), secrets.token_hex(16)
        pem, digest = self._certificate(agent, folder)
        facts = Facts(machine_id=secrets.token_hex(16), boot_id="boot", host="host")
        proof = Proof("nonce", "token", digest, key.public.hex(), facts)
        record = Record(
            agent=agent,
            epoch=1,
            time=time.time_ns(),
            public=key.public.hex(),
            proof=dsse.encode(msgspec.json.encode(proof), PROOF_TYPE, key).decode(),
            token="token",
            certificate_sha256=digest,
        )
        payload = msgspec.json.encode(record)
        keeper.append(EntryType.ENROLMENT, payload)
        return Host(agent, key, entry.digest(entry.encode(EntryType.ENROLMENT, payload)), pem)

    def _certificate(self, agent: str, folder: Path) -> tuple[Path, str]:
        key = ec.generate_private_key(ec.SECP256R1())
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, SHA256())
        authority = ca.open_authority(self.paths)
        certificate = authority.issue_client(request, agent, time.time_ns(), 14)
        pem = folder / f"{agent}.pem"
        raw = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pem.write_bytes(raw + certificate.encode())
        return pem, ca.certificate_digest(certificate)


def free_listener() -> socket.socket:
    """Return a socket that listens on a port of the loopback nobody else has."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", 0))
    listening.listen(512)
    return listening
