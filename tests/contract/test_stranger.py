"""The document is enough: a client written from it alone enrols, ships, verifies, and is refused."""

from __future__ import annotations

import ast
import base64
import json
import re
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.system.collector_at_work import CollectorAtWork

from . import stranger
from .stranger import Batch, Connection, Stranger, compact, envelope, leaf_hash, read_note

WIRE = Path(__file__).parents[2] / "docs" / "wire.md"
BLOCKS = dict(re.findall(r"^```text ([a-z0-9.]+)\n(.*?)\n```$", WIRE.read_text(), re.MULTILINE | re.DOTALL))


def test_it_was_written_from_the_document_alone() -> None:
    found = ast.walk(ast.parse(Path(stranger.__file__).read_text()))
    names = {
        alias.name.split(".")[0] for node in found if isinstance(node, ast.Import) for alias in node.names
    }
    found = ast.walk(ast.parse(Path(stranger.__file__).read_text()))
    names |= {str(node.module).split(".")[0] for node in found if isinstance(node, ast.ImportFrom)}
    assert names <= {*sys.stdlib_module_names, "cryptography", "zstandard"}


def test_it_seals_and_verifies_the_documents_example() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(BLOCKS["seed.host"]))
    vkey = BLOCKS["vkey"]
    known = read_note(BLOCKS["checkpoint.1"] + "\n", vkey)
    assert leaf_hash(b"\x02" + BLOCKS["entry.0.payload"].encode()) == known.root
    for number in (1, 2):
        payload = BLOCKS[f"statement.{number}"].encode()
        signed = envelope(stranger.STATEMENT, payload, key)
        assert signed.decode() == BLOCKS[f"envelope.{number}"]
        assert stranger.sha256(payload).hex() == BLOCKS[f"digest.{number}"]
        data = bytes.fromhex(BLOCKS[f"frame.{number}.header"]) + BLOCKS[f"events.{number}"].encode() + b"\n"
        batch = Batch(json.loads(payload), BLOCKS[f"digest.{number}"], signed, data)
        assert stranger.sha256(batch.body).hex() == BLOCKS[f"request.{number}.sha256"]
        assert json.loads(payload)["sha256"] == stranger.sha256(data).hex()
        receipt = json.loads(BLOCKS[f"receipt.{number}"])
        known = stranger.check_receipt(receipt, batch.entry, vkey, known)
    assert known.size == 3


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorAtWork]:
    made = CollectorAtWork(tmp_path_factory.mktemp("collector"))
    made.command("setup")
    made.serve()
    yield made
    made.close()


def enrolled(collector: CollectorAtWork, folder: Path) -> Stranger:
    host = Stranger({name: collector.port(name) for name in ("ingest", "console")}, folder)
    answer = host.enrol(collector.command("token", "create").strip())
    assert answer.status == 200, answer.body
    return host


@pytest.fixture(scope="module")
def host(collector: CollectorAtWork, tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    return enrolled(collector, tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="module")
def connection(host: Stranger) -> Connection:
    return host.connect()


def test_batches_of_both_lanes_get_receipts_that_hold(host: Stranger, connection: Connection) -> None:
    indices = []
    for lane in ("priority", "bulk", "bulk", "priority"):
        batch = host.seal(["one", "two"], lane)
        receipt = host.ship(connection, batch)
        assert not receipt.get("duplicate", False)
        again = host.ship(connection, batch)
        assert (again["index"], again["duplicate"]) == (receipt["index"], True)
        indices.append(receipt["index"])
    assert indices == sorted(set(indices))


def test_data_given_up_follows_the_statement_that_says_so(host: Stranger, connection: Connection) -> None:
    lost = host.seal(["gone"])
    without = Batch(lost.said, lost.digest, lost.envelope, b"")
    assert host.post(connection, without.body).code == "data_missing"
    gone = {"lane": "bulk", "first": lost.said["seq"], "last": lost.said["seq"], "cause": "spool_full"}
    host.ship(connection, host.seal(["later"], dropped=[gone]))
    host.ship(connection, without)


def test_the_log_is_what_its_tiles_say(host: Stranger, connection: Connection) -> None:
    batch = host.seal(["a", "b"])
    index = host.ship(connection, batch)["index"]
    head = read_note(connection.ask("GET", "/checkpoint").body.decode(), host.vkey)
    assert head.size < 256
    tile = connection.ask("GET", f"/tile/0/000.p/{head.size}").body
    leaves = [tile[at : at + 32] for at in range(0, len(tile), 32)]
    raw, entries = connection.ask("GET", f"/tile/entries/000.p/{head.size}").body, []
    while raw:
        (length,) = struct.unpack(">H", raw[:2])
        entries.append(raw[2 : 2 + length])
        raw = raw[2 + length :]
    assert entries[index] == batch.entry
    assert [leaf_hash(each) for each in entries] == leaves
    while len(leaves) > 1:
        pairs = zip(leaves[::2], leaves[1::2], strict=False)
        leaves = [stranger.node(*pair) for pair in pairs] + (leaves[-1:] if len(leaves) % 2 else [])
    assert leaves == [head.root]


Bad = Callable[[Stranger, Batch], bytes]


def with_envelope(batch: Batch, changed: bytes) -> bytes:
    return Batch(batch.said, batch.digest, changed, batch.data).body


def another_key(_: Stranger, batch: Batch) -> bytes:
    other = Ed25519PrivateKey.generate()
    return with_envelope(batch, envelope(stranger.STATEMENT, compact(batch.said), other))


def saying(host: Stranger, batch: Batch, **changes: object) -> bytes:
    return with_envelope(batch, envelope(stranger.STATEMENT, compact(batch.said | changes), host.key))


def with_data(host: Stranger, batch: Batch, data: bytes, raw_length: int) -> bytes:
    digest = stranger.sha256(data).hex()
    changed = saying(host, batch, sha256=digest, length=len(data), raw_length=raw_length)
    return changed[: len(changed) - len(batch.data)] + data


REFUSED: dict[str, tuple[str, int, Bad]] = {
    "too much data": ("too_large", 413, lambda _, batch: batch.body + bytes(2_097_153)),
    "long envelope": ("too_large", 413, lambda _, batch: with_envelope(batch, bytes(4097))),
    "declares too much": (
        "too_large",
        413,
        lambda host, batch: with_data(host, batch, zstandard.compress(bytes(16_777_217)), 16_777_217),
    ),
    "white space": (
        "not_canonical",
        400,
        lambda _, batch: with_envelope(batch, batch.envelope.replace(b":", b": ")),
    ),
    "another payload type": (
        "not_canonical",
        400,
        lambda host, batch: with_envelope(batch, envelope(stranger.RENEWAL, compact(batch.said), host.key)),
    ),
    "unknown key": ("bad_signature", 400, another_key),
    "altered payload": (
        "bad_signature",
        400,
        lambda _, batch: with_envelope(
            batch,
            batch.envelope.replace(
                base64.b64encode(compact(batch.said)), base64.b64encode(compact(batch.said | {"seq": 9}))
            ),
        ),
    ),
    "another codec": ("bad_statement", 400, lambda host, batch: saying(host, batch, codec="json")),
    "a field of another type": ("bad_statement", 400, lambda host, batch: saying(host, batch, seq="1")),
    "a field twice": (
        "bad_statement",
        400,
        lambda host, batch: with_envelope(
            batch, envelope(stranger.STATEMENT, compact(batch.said)[:-1] + b',"seq":7}', host.key)
        ),
    ),
    "another epoch": ("wrong_epoch", 400, lambda host, batch: saying(host, batch, epoch=2)),
    "another agent": ("not_this_agent", 403, lambda host, batch: saying(host, batch, agent="0" * 32)),
    "altered data": ("bad_digest", 400, lambda _, batch: batch.body[:-1] + bytes([batch.body[-1] ^ 1])),
    "no frame": ("bad_frame", 400, lambda host, batch: with_data(host, batch, b"plain", 5)),
    "two frames": (
        "bad_frame",
        400,
        lambda host, batch: with_data(host, batch, batch.data * 2, batch.said["raw_length"]),
    ),
    "no data": ("data_missing", 409, lambda _, batch: batch.body[: -len(batch.data)]),
    "cut short": ("bad_request", 400, lambda _, batch: batch.body[:50]),
    "fork": ("equivocation", 409, lambda host, batch: saying(host, batch, seq=1)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_document_forbids_is_refused_as_it_says(
    host: Stranger, connection: Connection, case: str
) -> None:
    code, status, make = REFUSED[case]
    if host.heads["bulk"][0] == 0:
        host.ship(connection, host.seal(["first"]))
    heads = dict(host.heads)
    body = make(host, host.seal(["bad"]))
    host.heads = heads
    answer = host.post(host.connect() if code == "too_large" else connection, body)
    assert (answer.code, answer.status) == (code, status)
    again = {
        row[1]: row[2]
        for row in re.findall(r"^\| (`([a-z_]+)`) \| \d+ \|.*\| (.*?) \|$", WIRE.read_text(), re.MULTILINE)
    }
    assert ("retry-after" in answer.headers) is again[code].startswith("yes")


def test_paths_and_headers_that_are_not_there(host: Stranger, connection: Connection) -> None:
    assert connection.ask("GET", "/v2/batches").code == "not_found"
    assert connection.ask("GET", "/tile/0/001").code == "not_found"
    bad = connection.ask("POST", "/v1/batches", host.seal(["x"]).body, {"Vedette-Known-Size": "-1"})
    assert bad.code == "bad_request"


def test_another_host_cannot_replay_a_batch(
    collector: CollectorAtWork, host: Stranger, tmp_path: Path
) -> None:
    other = enrolled(collector, tmp_path)
    assert other.post(other.connect(), host.seal(["mine"]).body).code == "not_this_agent"


def test_a_token_is_good_once_and_its_answer_can_be_asked_for_again(
    collector: CollectorAtWork, tmp_path: Path
) -> None:
    token = collector.command("token", "create").strip()
    first = Stranger({name: collector.port(name) for name in ("ingest", "console")}, tmp_path)
    reply = first.enrol(token)
    assert first.enrol(token).json == reply.json
    second = Stranger(first.ports, tmp_path).enrol(token)
    assert (second.code, second.status) == ("refused", 403)


def test_certificates_renew_both_ways_until_the_host_is_revoked(
    collector: CollectorAtWork, tmp_path: Path
) -> None:
    host = enrolled(collector, tmp_path)
    old = host.connect()
    host.ship(old, host.seal(["before"]))
    host.tls = Ed25519PrivateKey.generate()
    by_certificate = old.ask("POST", "/v1/renew", compact({"csr": host.csr(), "proof": ""}))
    host.save(by_certificate.json["certificate"])
    host.ship(host.connect(), host.seal(["renewed"]))
    host.tls = Ed25519PrivateKey.generate()
    listener = Connection(host.ports["console"], host.ca)
    nonce = listener.ask("GET", "/v1/nonce").json["nonce"]
    by_key = listener.ask("POST", "/v1/renew", host.renewal_by_key(nonce, host.csr()))
    assert set(by_key.json) == {"certificate", "ca"}
    host.save(by_key.json["certificate"])
    fresh = host.connect()
    host.ship(fresh, host.seal(["renewed by key"]))
    assert listener.ask("POST", "/v1/renew", host.renewal_by_key(nonce, host.csr())).code == "refused"
    collector.command("agents", "revoke", host.agent, "--reason", "test")
    for connection in (old, fresh, host.connect()):
        assert host.post(connection, host.seal(["after"]).body).code == "revoked"


def test_too_many_requests_of_one_address_wait(collector: CollectorAtWork, host: Stranger) -> None:
    """Keep this the last test of the file: it uses up what this address may ask."""
    listener = Connection(collector.port("console"), host.ca)
    answers = (listener.ask("GET", "/v1/nonce") for _ in range(2000))
    refused = next(answer for answer in answers if answer.status != 200)
    assert (refused.code, refused.status) == ("rate_limited", 429)
    assert int(refused.headers["retry-after"]) >= 1
