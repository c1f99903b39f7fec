from __future__ import annotations

import base64
import json

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence import dsse, frame, seal, statement
from evidence.errors import (
    BadDigest,
    BadFrame,
    BadSignature,
    CodecError,
    EvidenceError,
    NotCanonical,
    TooLarge,
)
from evidence.keys import PrivateKey
from evidence.statement import Head
from tests.evidence.sealing import AGENT, KEY, ORIGIN, batch, chain, some_events

OTHER = PrivateKey(b"else" * 8)


def test_what_was_sealed_comes_out() -> None:
    sealed = batch()
    opened, decoded = seal.unseal(
        *seal.split_request(seal.request_body(sealed.envelope, sealed.data)), KEY.public
    )
    assert opened == sealed
    assert decoded.events == some_events(1)


def test_chains_link() -> None:
    first, second = chain(2)
    assert first.statement.prev == ORIGIN.hash
    assert second.statement.prev == first.digest == statement.digest(statement.to_bytes(first.statement))
    assert [first.statement.seq, second.statement.seq] == [1, 2]


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_flipped_bit_is_rejected(data: st.DataObject) -> None:
    sealed = batch()
    body = bytearray(seal.request_body(sealed.envelope, sealed.data))
    bit = data.draw(st.integers(0, len(body) * 8 - 1))
    body[bit // 8] ^= 1 << bit % 8
    with pytest.raises(EvidenceError):
        seal.unseal(*seal.split_request(bytes(body)), KEY.public)


@given(st.integers(0, 10_000))
@settings(max_examples=80, deadline=None)
def test_any_truncation_is_rejected(cut: int) -> None:
    sealed = batch()
    body = seal.request_body(sealed.envelope, sealed.data)
    cut %= len(body)
    if cut == len(body) - len(sealed.data):
        return  # an envelope alone is the form of a statement whose data was given up
    with pytest.raises(EvidenceError):
        seal.unseal(*seal.split_request(body[:cut]), KEY.public)


def test_another_key_is_a_bad_signature() -> None:
    sealed = batch()
    with pytest.raises(BadSignature):
        seal.unseal(sealed.envelope, sealed.data, OTHER.public)


def test_other_data_is_a_bad_digest() -> None:
    first, second = chain(2)
    with pytest.raises(BadDigest):
        seal.unseal(first.envelope, second.data, KEY.public)
    with pytest.raises(BadDigest, match="bytes"):
        seal.unseal(first.envelope, first.data + b"x", KEY.public)


def envelope_with(content: bytes, **changes: object) -> bytes:
    wire = {
        "payload": base64.b64encode(content).decode(),
        "payloadType": statement.PAYLOAD_TYPE,
        "signatures": [{"keyid": "k", "sig": base64.b64encode(b"s" * 64).decode()}],
    } | changes
    return json.dumps(wire, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b" " + envelope_with(b"{}"), id="white space before"),
        pytest.param(envelope_with(b"{}") + b"\n", id="white space after"),
        pytest.param(envelope_with(b"{}", extra=1), id="another field"),
        pytest.param(envelope_with(b"{}", payload="e30"), id="base64 without padding"),
        pytest.param(envelope_with(b"{}", payload="e31="), id="base64 with stray bits"),
        pytest.param(envelope_with(b"{}", payload="e3-="), id="base64url"),
        pytest.param(envelope_with(b"{}", signatures=[]), id="no signature"),
        pytest.param(envelope_with(b"{}", signatures=[{"keyid": "k", "sig": ""}] * 2), id="two signatures"),
        pytest.param(envelope_with(b"{}", payloadType="text/plain"), id="another type"),
        pytest.param(b"\xff", id="not UTF-8"),
        pytest.param(b"", id="empty"),
        pytest.param(b"[" * 4000, id="deep"),
    ],
)
def test_an_envelope_has_one_form(raw: bytes) -> None:
    with pytest.raises(NotCanonical):
        dsse.parse(raw, statement.PAYLOAD_TYPE)


def test_an_envelope_has_a_size() -> None:
    with pytest.raises(TooLarge, match="4096"):
        dsse.parse(b"x" * 4097, statement.PAYLOAD_TYPE)
    with pytest.raises(TooLarge):
        seal.split_request((5000).to_bytes(4, "big") + b"x" * 6000)
    with pytest.raises(TooLarge):
        seal.split_request((1).to_bytes(4, "big") + b"x" * (seal.DATA_LIMIT + 2))


@given(st.binary(max_size=300))
def test_split_request_reads_anything_or_refuses(raw: bytes) -> None:
    try:
        envelope, data = seal.split_request(raw)
    except EvidenceError:
        return
    assert seal.request_body(envelope, data) == raw


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("agent", "x"),
        ("lane", "fast"),
        ("seq", 0),
        ("prev", "00"),
        ("length", -1),
        ("epoch", True),
        ("sent", None),
    ],
)
def test_a_statement_names_the_wrong_field(field: str, value: object) -> None:
    fields = json.loads(statement.to_bytes(batch().statement)) | {field: value}
    with pytest.raises(CodecError, match=field):
        statement.from_bytes(json.dumps(fields).encode())


def test_a_statement_of_a_newer_version_is_read() -> None:
    fields = json.loads(statement.to_bytes(batch().statement)) | {"novelty": {"x": 1}}
    assert statement.from_bytes(json.dumps(fields).encode()) == batch().statement


@given(st.binary(max_size=5000))
@settings(deadline=None)
def test_frames_hold_what_was_put_in(raw: bytes) -> None:
    data = frame.compress(raw)
    assert frame.declared_size(data) == len(raw)
    assert frame.decompress(data, len(raw)) == raw


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_refused(raw: bytes) -> None:
    try:
        size = frame.declared_size(raw)
    except BadFrame:
        return
    assert size >= 0


def test_a_bomb_is_refused_before_it_is_opened() -> None:
    bomb = frame.compress(b"\0" * 100_000_000)
    assert len(bomb) < 20_000
    with pytest.raises(TooLarge):
        frame.decompress(bomb, 1 << 20)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(frame.compress(b"a") + b"x", id="trailing byte"),
        pytest.param(frame.compress(b"a") * 2, id="two frames"),
        pytest.param(b"\x50\x2a\x4d\x18\x01\x00\x00\x00x" + frame.compress(b"a"), id="skippable first"),
        pytest.param(frame.compress(b"a" * 100)[:-1], id="cut"),
        pytest.param(
            zstandard.ZstdCompressor(write_content_size=False).compress(b"a" * 100), id="size not declared"
        ),
        pytest.param(b"plain", id="no zstd"),
    ],
)
def test_only_one_plain_frame_is_accepted(data: bytes) -> None:
    with pytest.raises(BadFrame):
        frame.declared_size(data)


def test_too_large_a_batch_is_not_sealed() -> None:
    place = seal.Place(AGENT, 1, "bulk", ORIGIN, ORIGIN)
    around = seal.Circumstances("b" * 5000, 1, 1, "1")
    with pytest.raises(TooLarge):
        seal.seal([], place, around, KEY)


def test_heads_name_the_statement() -> None:
    assert batch().head == Head(1, batch().digest)
