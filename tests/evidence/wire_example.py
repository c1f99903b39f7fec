"""The worked example of docs/wire.md, made from its fixed seeds: each block by the name it has there."""

from __future__ import annotations

import hashlib
import struct

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from evidence import checkpoint, codec, dsse, entry, receipt, seal, statement, tree
from evidence.checkpoint import Checkpoint, VerifierKey
from evidence.enrolment import PROOF_TYPE, Facts, Proof, Record, csr_digest
from evidence.entry import EntryType
from evidence.event import Event, stamp
from evidence.keys import PrivateKey, key_id
from evidence.kind import Body, Endpoint
from evidence.kinds.agent import Start
from evidence.kinds.login import Accepted
from evidence.kinds.process import Exec
from evidence.receipt import Receipt, encode_hashes
from evidence.statement import Head, Loss, Seen, Statement
from evidence.tree import Tree

SEEDS = {
    "seed.host": bytes(range(32)),
    "seed.ledger": bytes(range(32, 64)),
    "seed.tls": bytes(range(64, 96)),
}
HOST, LEDGER = PrivateKey(SEEDS["seed.host"]), PrivateKey(SEEDS["seed.ledger"])
ORIGIN = "example.org/log"
AGENT = bytes(range(16)).hex()
TOKEN = "00112233aabbccdd"
BOOT = "4f0e12aa-0000-4000-8000-5ec0de5ec0de"
START = 1_790_000_000_000_000_000
SECOND = 1_000_000_000


def raw_frame(raw: bytes) -> bytes:
    """Return a zstd frame of 256 to 65,791 bytes that holds them as they are (RFC 8878, 3.1.1)."""
    header = b"\x28\xb5\x2f\xfd\x60" + struct.pack("<H", len(raw) - 256)
    return header + struct.pack("<I", len(raw) << 3 | 1)[:3] + raw


def csr() -> str:
    key = Ed25519PrivateKey.from_private_bytes(SEEDS["seed.tls"])
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "web-1")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, None)
    return made.public_bytes(Encoding.PEM).decode()


def events(first: int) -> list[Event[Body]]:
    bodies: list[Body] = (
        [
            Start(version="1.0", host="web-1", clean=True, last_seq=None),
            Accepted(
                program="sshd",
                user="alice",
                pid=812,
                uid=1000,
                auid=1000,
                session=7,
                method="publickey",
                fingerprint="SHA256:Z8rlmSCZsuKTzjwBgmvrPwYWpv+UU3R+aDHGgHudA9A",
                source=Endpoint(ip="198.51.100.7", port=51234),
            ),
        ]
        if first == 1
        else [
            Exec(
                pid=900,
                start=5 * SECOND,
                ppid=812,
                exe="/usr/bin/tar",
                cwd="/home/alice",
                argv=("tar", "czf", "/tmp/report.tgz", "caf\u00e9"),  # noqa: S108 - an argument in an example
                uid=1000,
                auid=1000,
                session=7,
                login="alice",
            ),
            Exec(pid=901, argv=("a\\\\b\\xff",), escaped=("argv",)),
        ]
    )
    return [
        stamp(body, seq=seq, time=START + seq * SECOND, mono=seq * SECOND)
        for seq, body in enumerate(bodies, first)
    ]


def said(number: int, previous: Head, anchor: str, seen: Seen) -> Statement:
    first = 2 * number - 1
    raw = codec.encode(events(first))
    data = raw_frame(raw)
    return Statement(
        agent=AGENT,
        epoch=1,
        lane="priority",
        seq=number,
        prev=previous.hash,
        other=Head(0, anchor),
        boot=BOOT,
        sent=START + 10 * number * SECOND,
        mono=10 * number * SECOND,
        codec=statement.CODEC,
        sha256=hashlib.sha256(data).hexdigest(),
        length=len(data),
        raw_length=len(raw),
        events=2,
        version="1.0",
        first_time=START + first * SECOND,
        last_time=START + (first + 1) * SECOND,
        first_seq=first,
        last_seq=first + 1,
        loss=(Loss("ring_full", START, START + SECOND, {"process": 3}),) if number == 2 else (),
        seen=seen,
    )


class Example:
    """Builds the blocks one after another, as an enrolment and two batches would come about."""

    def __init__(self) -> None:
        self.blocks: dict[str, str] = {name: seed.hex() for name, seed in SEEDS.items()}
        self.key = VerifierKey(ORIGIN, LEDGER.public)
        self.blocks |= {
            "public.host": HOST.public.hex(),
            "keyid.host": key_id(HOST.public),
            "vkey": str(self.key),
        }
        self.tree = Tree()
        anchor = self._enrol()
        first_note = self._checkpoint(1)
        seen = Seen(1, self.tree.root(1).hex())
        head = self._batch(1, Head(0, anchor), anchor, seen)
        self._receipt(1, 1)
        seen = Seen(2, self.tree.root(2).hex())
        self._batch(2, head, anchor, seen)
        self._receipt(2, 2)
        self.blocks["checkpoint.1"] = first_note

    def _enrol(self) -> str:
        request = csr()
        facts = Facts("6d616368696e652d69642d6f662d776562", BOOT, "web-1", os="debian 13")
        proof = Proof("AAAA", TOKEN, csr_digest(request), HOST.public.hex(), facts)
        payload = msgspec.json.encode(proof)
        envelope = dsse.encode(payload, PROOF_TYPE, HOST)
        record = Record(
            AGENT,
            1,
            START,
            HOST.public.hex(),
            envelope.decode(),
            TOKEN,
            hashlib.sha256(b"certificate").hexdigest(),
        )
        raw = entry.encode(EntryType.ENROLMENT, msgspec.json.encode(record))
        self.tree.append(tree.leaf_hash(raw))
        self.blocks |= {
            "csr": request.rstrip("\n"),
            "proof.payload": payload.decode(),
            "proof.pae": dsse.pae(PROOF_TYPE, payload).decode(),
            "proof.envelope": envelope.decode(),
            "entry.0.payload": raw[1:].decode(),
            "entry.0.digest": entry.digest(raw),
            "leaf.0": tree.leaf_hash(raw).hex(),
        }
        return entry.digest(raw)

    def _batch(self, number: int, previous: Head, anchor: str, seen: Seen) -> Head:
        raw = codec.encode(events(2 * number - 1))
        payload = statement.to_bytes(said(number, previous, anchor, seen))
        envelope = dsse.encode(payload, statement.PAYLOAD_TYPE, HOST)
        leaf = tree.leaf_hash(entry.encode(EntryType.BATCH, envelope))
        self.tree.append(leaf)
        self.blocks |= {
            f"events.{number}": raw.decode().rstrip("\n"),
            f"frame.{number}.header": raw_frame(raw)[:10].hex(),
            f"statement.{number}": payload.decode(),
            f"envelope.{number}": envelope.decode(),
            f"request.{number}.sha256": hashlib.sha256(
                seal.request_body(envelope, raw_frame(raw))
            ).hexdigest(),
            f"request.{number}.length": struct.pack(">I", len(envelope)).hex(),
            f"digest.{number}": statement.digest(payload),
            f"leaf.{number}": leaf.hex(),
        }
        return Head(number, statement.digest(payload))

    def _checkpoint(self, size: int) -> str:
        head = Checkpoint(ORIGIN, size, self.tree.root(size))
        return checkpoint.sign(head, LEDGER).decode()

    def _receipt(self, index: int, known: int) -> None:
        size = self.tree.size
        note = self._checkpoint(size)
        made = Receipt(
            index=index,
            checkpoint=note,
            inclusion=encode_hashes(tree.inclusion_proof(self.tree, index, size)),
            old_size=known,
            consistency=encode_hashes(tree.consistency_proof(self.tree, known, size)),
        )
        self.blocks |= {f"checkpoint.{size}": note, f"receipt.{index}": receipt.to_bytes(made).decode()}
