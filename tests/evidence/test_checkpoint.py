from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence import checkpoint, tree
from evidence.checkpoint import Checkpoint, VerifierKey
from evidence.entry import EntryType, decode, digest, encode
from evidence.errors import BadCheckpoint, BadProof, CodecError, EvidenceError, TooLarge
from evidence.keys import PrivateKey
from evidence.receipt import Receipt, check, encode_hashes, from_bytes, to_bytes

LOG = PrivateKey(b"log!" * 8)
KEY = VerifierKey("vedette.example/log", LOG.public)
HEAD = Checkpoint(KEY.name, 5, bytes(range(32)))


def test_a_note_survives_and_carries_cosignatures() -> None:
    note = checkpoint.sign(HEAD, LOG)
    witness = PrivateKey(b"wit." * 8)
    cosigned = note + checkpoint.signature_line(
        VerifierKey("witness", witness.public), witness.sign(HEAD.body())
    )
    assert checkpoint.verify_note(cosigned, KEY) == HEAD


def test_a_verifier_key_survives_as_text() -> None:
    assert checkpoint.parse_vkey(str(KEY)) == KEY


def test_the_vkey_is_that_of_the_signed_note_format() -> None:
    # The example key of golang.org/x/mod/sumdb/note.
    text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert str(checkpoint.parse_vkey(text)) == text


@pytest.mark.parametrize("text", ["", "a+b", "a+00000000+AA==", str(KEY)[:-4] + "AAA=", "x+" + str(KEY)])
def test_other_text_is_no_verifier_key(text: str) -> None:
    with pytest.raises(BadCheckpoint):
        checkpoint.parse_vkey(text)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_flipped_bit_is_rejected(data: st.DataObject) -> None:
    note = bytearray(checkpoint.sign(HEAD, LOG))
    bit = data.draw(st.integers(0, len(note) * 8 - 1))
    note[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadCheckpoint):
        checkpoint.verify_note(bytes(note), KEY)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_without_another_exception(raw: bytes) -> None:
    with pytest.raises(BadCheckpoint):
        checkpoint.verify_note(raw, KEY)


def test_another_log_is_refused() -> None:
    other = checkpoint.sign(Checkpoint("other", 5, HEAD.root), LOG)
    with pytest.raises(BadCheckpoint, match="origin"):
        checkpoint.verify_note(other, KEY)
    forged = checkpoint.sign(HEAD, PrivateKey(b"evil" * 8))
    with pytest.raises(BadCheckpoint, match="not signed"):
        checkpoint.verify_note(forged, KEY)
    with pytest.raises(BadCheckpoint, match="at most"):
        checkpoint.verify_note(b"x" * 20_000, KEY)


ENTRIES = [encode(EntryType.BATCH, b"entry %d" % index) for index in range(9)]
GROWN = tree.Tree([tree.leaf_hash(item) for item in ENTRIES])


def receipt(index: int, size: int, old: int = 0, grown: tree.Tree = GROWN) -> Receipt:
    note = checkpoint.sign(Checkpoint(KEY.name, size, grown.root(size)), LOG).decode()
    low, high = sorted((old, size))
    return Receipt(
        index,
        note,
        encode_hashes(tree.inclusion_proof(grown, index, size)),
        old,
        encode_hashes(tree.consistency_proof(grown, low, high)),
    )


def test_a_receipt_moves_what_is_known_forward() -> None:
    first = check(receipt(2, 4), ENTRIES[2], KEY, None)
    second = check(receipt(7, 9, 4), ENTRIES[7], KEY, first)
    assert (first.size, second.size) == (4, 9)
    assert check(from_bytes(to_bytes(receipt(2, 4, 9))), ENTRIES[2], KEY, second) == second


def test_a_forked_log_is_refused() -> None:
    known = check(receipt(2, 4), ENTRIES[2], KEY, None)
    other = tree.Tree([tree.leaf_hash(b"x"), *[tree.leaf_hash(item) for item in ENTRIES[1:]]])
    with pytest.raises(BadProof):
        check(receipt(7, 9, 4, other), ENTRIES[7], KEY, known)
    with pytest.raises(BadProof):
        check(receipt(2, 4), ENTRIES[3], KEY, None)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_receipt_or_refused(raw: bytes) -> None:
    with pytest.raises(CodecError):
        from_bytes(raw)


def test_entries_carry_their_type() -> None:
    assert decode(ENTRIES[0]).payload == b"entry 0"
    assert len(digest(ENTRIES[0])) == 64
    for raw in (b"", b"\xff123"):
        with pytest.raises(CodecError):
            decode(raw)
    with pytest.raises(TooLarge):
        encode(EntryType.BATCH, b"x" * 65_535)
    with pytest.raises(EvidenceError):
        from_bytes(b"x" * 70_000)
