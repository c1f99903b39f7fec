"""Renew the client certificate at two thirds of its life: ship asks and holds the key, watch can vouch.

A valid certificate renews itself over mutual TLS. For one that has expired, ship writes ``in/renewal.json``
(the enrolment listener's nonce and a CSR) and watch answers with ``out/renewal.json``, a DSSE envelope.
"""

from __future__ import annotations

import contextlib

import msgspec

from evidence import dsse
from evidence.enrolment import RENEWAL_TYPE, Pem, RenewalProof, csr_digest
from evidence.statement import Hash, Short

from ..identity import Identity
from ..layout import Layout
from ..spool.disk import Disk

FILE = "renewal.json"
LIMIT = 32_768


class Asked(msgspec.Struct, frozen=True):
    """What ship wants signed."""

    nonce: Short
    csr: Pem


class Signed(msgspec.Struct, frozen=True):
    """What watch signed: the proof's envelope, for the CSR with this digest and this nonce."""

    csr_sha256: Hash
    nonce: Short
    proof: str


def answer(disk: Disk, layout: Layout, identity: Identity) -> bool:
    """Sign what ship asks for, as watch; call it with `take_receipts`. True if a proof was written.

    A request that does not parse is passed over; a proof says only whose key wants which CSR renewed.
    """
    path = layout.inbox / FILE
    if disk.size(path) is None:
        return False
    with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError, ValueError):
        raw = disk.read(path, 0, LIMIT)
        disk.remove(path)
        asked = msgspec.json.decode(raw, type=Asked)
        proof = RenewalProof(asked.nonce, identity.agent, identity.epoch, csr_digest(asked.csr))
        envelope = dsse.encode(msgspec.json.encode(proof), RENEWAL_TYPE, identity.signer)
        signed = Signed(proof.csr_sha256, asked.nonce, envelope.decode())
        disk.replace(layout.out / FILE, msgspec.json.encode(signed), durable=False)
        return True
    return False


def read_answer(disk: Disk, layout: Layout, asked: Asked) -> str | None:
    """Return watch's proof for what was asked, None while there is none."""
    try:
        signed = msgspec.json.decode(disk.read(layout.out / FILE, 0, LIMIT), type=Signed)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    fits = signed.nonce == asked.nonce and signed.csr_sha256 == csr_digest(asked.csr)
    return signed.proof if fits else None
