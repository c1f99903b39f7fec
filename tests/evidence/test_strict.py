"""What two readers could take for different things is refused, whoever signed it."""

from __future__ import annotations

import base64
import re

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from evidence import bundle, checkpoint, dsse, enrolment, frame, keys, receipt, seal, statement, strict
from evidence.checkpoint import Checkpoint, VerifierKey
from evidence.decision import index_range
from evidence.enrolment import PROOF_TYPE, RENEWAL_TYPE
from evidence.errors import (
    BadBundle,
    BadCheckpoint,
    BadFrame,
    BadSignature,
    CodecError,
    EvidenceError,
    NotCanonical,
)
from evidence.keys import PrivateKey, key_id
from evidence.statement import PAYLOAD_TYPE
from tests.evidence.sealing import KEY, batch

PAYLOAD = statement.to_bytes(batch().statement)
LOG = PrivateKey(b"log!" * 8)
LEDGER = VerifierKey("vedette.example/log", LOG.public)
NOTE = checkpoint.sign(Checkpoint(LEDGER.name, 3, bytes(32)), LOG)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (PAYLOAD[:-1] + b',"seq":9}', "'seq' is there twice"),
        (PAYLOAD[:-1] + b',"seen":null,"new":{"a":1,"a":2}}', "'a' is there twice"),
        (PAYLOAD[:-1] + b',"new":' + b"[" * 2000 + b"]" * 2000 + b"}", "nested too deep"),
        (PAYLOAD[:-1] + b',"new":"\xff"}', "utf-8"),
        (PAYLOAD.replace(b'"seq":1,', b'"seq":1.0,'), "got `float`"),
        (PAYLOAD.replace(b'"seq":1,', b'"seq":18446744073709551616,'), "seq"),
        (PAYLOAD.replace(b'"epoch":1,', b'"epoch":true,'), "epoch"),
        (PAYLOAD.replace(b'abab","epoch', b'abab\\n","epoch'), "agent"),
        (PAYLOAD + b"{}", "trailing"),
    ],
)
def test_a_statement_reads_in_one_way(payload: bytes, reason: str) -> None:
    assert payload != PAYLOAD
    with pytest.raises(CodecError, match=f"^statement: .*{re.escape(reason)}|^statement: {reason}"):
        statement.from_bytes(payload)


@given(st.binary(max_size=80))
def test_base64_has_one_form(raw: bytes) -> None:
    text = base64.b64encode(raw).decode()
    assert strict.from_base64(text) == raw
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = text.rstrip("=")
    for letter in alphabet if body != text else "":
        if letter != body[-1]:
            other = body[:-1] + letter + "=" * (len(text) - len(body))
            try:
                assert strict.from_base64(other) != raw
            except ValueError:
                continue


@pytest.mark.parametrize("text", ["AB==", "AAB=", "AA", "A", "AA==\n", " AA==", "AA-_", "é", "AA==AA=="])
def test_other_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|ASCII"):
        strict.from_base64(text)


@pytest.mark.parametrize("keyid", ["é" * 64, "", "A" * 64, key_id(KEY.public) + "\\n"])
def test_a_key_id_is_a_hash(keyid: str) -> None:
    raw = batch().envelope.replace(key_id(KEY.public).encode(), keyid.encode())
    with pytest.raises(NotCanonical):
        dsse.parse(raw, PAYLOAD_TYPE)


@pytest.mark.parametrize("asked", [PROOF_TYPE, RENEWAL_TYPE])
def test_an_envelope_of_one_purpose_serves_no_other(asked: str) -> None:
    with pytest.raises(NotCanonical, match="payloadType"):
        dsse.parse(batch().envelope, asked)
    relabelled = batch().envelope.replace(PAYLOAD_TYPE.encode(), asked.encode())
    with pytest.raises(EvidenceError, match="does not verify"):
        dsse.check(dsse.parse(relabelled, asked), KEY.public)


@pytest.mark.parametrize("sign", [0, 0x80])
def test_a_key_whose_signature_fits_every_message_is_refused(sign: int) -> None:
    neutral = b"\1" + bytes(30) + bytes([sign])
    signature = b"\1" + bytes(63)
    if not sign:
        Ed25519PublicKey.from_public_bytes(neutral).verify(signature, b"whatever is claimed")
    with pytest.raises(BadSignature, match="small order"):
        keys.verify(neutral, b"whatever is claimed", signature)


def test_a_proof_is_signed_by_the_key_it_names() -> None:
    fields = {"nonce": "n", "token": "t", "csr_sha256": "0" * 64, "public": KEY.public.hex()}
    facts = {"machine_id": "m", "boot_id": "b", "host": "h"}
    payload = msgspec.json.encode({**fields, "facts": facts})
    assert enrolment.proven(dsse.encode(payload, PROOF_TYPE, KEY)).public == KEY.public.hex()
    with pytest.raises(EvidenceError, match="names key"):
        enrolment.proven(dsse.encode(payload, PROOF_TYPE, LOG))
    twice = payload[:-1] + b',"public":"' + LOG.public.hex().encode() + b'"}'
    with pytest.raises(CodecError, match="twice"):
        enrolment.proven(dsse.encode(twice, PROOF_TYPE, LOG))
    newline = payload.replace(KEY.public.hex().encode(), KEY.public.hex().encode() + b"\\n")
    with pytest.raises(CodecError, match="public"):
        enrolment.proven(dsse.encode(newline, PROOF_TYPE, KEY))


@pytest.mark.parametrize(
    "hashes",
    [("AAAA",), ("",), ("A" * 43 + "B",), ("A" * 43 + "=",) * (receipt.PROOF_LIMIT + 1)],
)
def test_a_proof_is_hashes_and_not_more_than_a_tree_has_levels(hashes: tuple[str, ...]) -> None:
    with pytest.raises(CodecError, match="proof"):
        receipt.decode_hashes(hashes)


@pytest.mark.parametrize(
    "note",
    [
        NOTE.removesuffix(b"\n"),
        NOTE + b"\n",
        NOTE.replace(b"\n3\n", b"\n03\n"),
        NOTE.replace(b"\n3\n", b"\n3\r\n"),
        NOTE.replace("\n— ".encode(), "\u2028— ".encode()),
        NOTE.partition(b"\n\n")[0] + b"\n\n",
        NOTE + "— other AAAA\x0b\n".encode(),
        NOTE + "— other AB==\n".encode(),
    ],
)
def test_a_note_has_one_form(note: bytes) -> None:
    assert checkpoint.verify_note(NOTE, LEDGER).size == 3
    with pytest.raises(BadCheckpoint):
        checkpoint.verify_note(note, LEDGER)


@pytest.mark.parametrize("name", ["", "two words", "line\nline"])
def test_a_key_has_a_name_of_one_word(name: str) -> None:
    with pytest.raises(BadCheckpoint):
        checkpoint.parse_vkey(str(VerifierKey(name, LOG.public)))


def test_a_frame_of_countless_empty_blocks_is_refused_soon() -> None:
    header = frame.compress(bytes(100))[:6]
    blocks = b"\0\0\0" * (seal.DATA_LIMIT // 3 - 10)
    with pytest.raises(BadFrame, match="blocks"):
        frame.declared_size(header + blocks + b"\1\0\0")


@pytest.mark.parametrize("text", ["٣-٤", "1-", "-1", "2-1", "1-2-3", "1.0-2"])
def test_a_range_is_two_numbers(text: str) -> None:
    with pytest.raises(CodecError):
        index_range(text)


@pytest.mark.parametrize("field", ["items", "anchors"])
def test_a_bundle_lists_nothing_twice(field: str) -> None:
    item = {"index": 1, "sha256": "0" * 64, "length": 0, "proof": []}
    lists: dict[str, list[object]] = {"items": [], "anchors": []} | {field: [item | {"size": 1}] * 2}
    subject = {"agents": [], "begin": 0, "end": 1}
    manifest = {"ledger_key": "", "checkpoint": "", "subject": subject, **lists}
    with pytest.raises(BadBundle, match="each once"):
        bundle.read(bundle.MAGIC + msgspec.json.encode(manifest) + b"\n")
