"""Hostile requests over real TLS to a real collector: each gets its own code, and none leaves a row."""

from __future__ import annotations

import http.client
import random
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector.lake import snapshot
from collector.lake.columns import TABLES, TableName
from tests.contract.stranger import (
    STATEMENT,
    Answer,
    Batch,
    Connection,
    Stranger,
    compact,
    envelope,
    read_note,
    sha256,
)
from tests.mutation import mutate
from tests.system.collector_at_work import PATIENCE, CollectorAtWork

MUTATIONS = 1000
BOMB = 64 << 20
ARRIVAL = frozenset({"agent", "ledger_index", "received", "detected"})
"""Columns that say who sent a row and when it came, and nothing of what it says."""


class Field:
    """A collector at work, and hosts that are enrolled with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.collector = CollectorAtWork(folder)
        self.collector.command("setup")
        self.collector.serve()
        self.token = self.collector.command("token", "create", "--uses", "20").strip()

    def host(self) -> Stranger:
        ports = {name: self.collector.port(name) for name in ("ingest", "console")}
        made = Stranger(ports, self.folder)
        assert made.enrol(self.token).status == 200
        return made

    def size(self, host: Stranger) -> int:
        """Return how many entries the ledger has."""
        note = host.connect().ask("GET", "/checkpoint").body.decode()
        return read_note(note, host.vkey).size

    def rows(self, host: Stranger, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return the store's sorted rows of a host, once the store holds all of the ledger."""
        size, end = self.size(host), time.monotonic() + PATIENCE
        while (shown := snapshot.read(self.collector.state / "snapshot.json")).position < size:
            assert time.monotonic() < end, self.collector.log()
            time.sleep(0.1)
        with snapshot.connect(shown) as lake:
            listed = ", ".join(f'"{column}"' for column in columns)
            query = f"SELECT {listed} FROM {table} WHERE agent = ?"  # noqa: S608 - our own names
            return sorted(lake.execute(query, [host.agent]).fetchall(), key=repr)


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    made = Field(tmp_path_factory.mktemp("field"))
    yield made
    made.collector.close()


@pytest.fixture(scope="module")
def host(field: Field) -> Stranger:
    made = field.host()
    made.ship(made.connect(), made.seal(["first"]))
    return made


def signed(host: Stranger, batch: Batch, data: bytes | None = None, **changes: object) -> bytes:
    """Return a request with a statement of host's own key, about other data if given."""
    said, data = batch.said | changes, batch.data if data is None else data
    if data != batch.data:
        said |= {"sha256": sha256(data).hex(), "length": len(data)}
    return Batch(said, "", envelope(STATEMENT, compact(said), host.key), data).body


def forged(_: Stranger, batch: Batch) -> bytes:
    """Return a statement of host, signed by a key that names itself host's."""
    other = envelope(STATEMENT, compact(batch.said), Ed25519PrivateKey.generate())
    named = batch.envelope.split(b'"keyid":"')[1][:64]
    keyid = other.split(b'"keyid":"')[1][:64]
    return Batch(batch.said, "", other.replace(keyid, named), batch.data).body


def wrong_key(_: Stranger, batch: Batch) -> bytes:
    other = envelope(STATEMENT, compact(batch.said), Ed25519PrivateKey.generate())
    return Batch(batch.said, "", other, batch.data).body


def altered(_: Stranger, batch: Batch) -> bytes:
    """Return the signed statement with other data of the same length."""
    return Batch(batch.said, "", batch.envelope, batch.data[:-1] + bytes([batch.data[-1] ^ 1])).body


def lying_bomb(host: Stranger, batch: Batch) -> bytes:
    """Return a frame of 64 MiB whose header says 1 MiB, as the statement does."""
    data = zstandard.ZstdCompressor(write_content_size=True).compress(bytes(BOMB))
    return signed(host, batch, data[:5] + (1 << 20).to_bytes(4, "little") + data[9:], raw_length=BOMB >> 7)


def endless_blocks(host: Stranger, batch: Batch) -> bytes:
    """Return a frame of 600,000 empty blocks."""
    return signed(host, batch, b"\x28\xb5\x2f\xfd\x20\x00" + bytes(1_800_000) + b"\1\0\0", raw_length=0)


HOSTILE: dict[str, tuple[str, Callable[[Stranger, Batch], bytes]]] = {
    "forged": ("bad_signature", forged),
    "wrong key": ("bad_signature", wrong_key),
    "altered": ("bad_digest", altered),
    "oversized": ("too_large", lambda _, batch: batch.body + bytes(3 << 20)),
    "not canonical": (
        "not_canonical",
        lambda _, batch: Batch(batch.said, "", batch.envelope.replace(b'":', b'": ', 1), batch.data).body,
    ),
    "field named twice": (
        "bad_statement",
        lambda host, batch: (
            Batch(
                batch.said,
                "",
                envelope(STATEMENT, compact(batch.said)[:-1] + b',"seq":9}', host.key),
                batch.data,
            ).body
        ),
    ),
    "nested without end": (
        "bad_statement",
        lambda host, batch: (
            Batch(
                batch.said,
                "",
                envelope(STATEMENT, compact(batch.said)[:-1] + b',"new":' + b"[" * 1500, host.key),
                batch.data,
            ).body
        ),
    ),
    "bomb": (
        "too_large",
        lambda host, batch: signed(host, batch, zstandard.compress(bytes(BOMB)), raw_length=BOMB),
    ),
    "lying bomb": ("bad_digest", lying_bomb),
    "endless blocks": ("bad_frame", endless_blocks),
    "speaks for another host": ("not_this_agent", lambda host, batch: signed(host, batch, agent="0" * 32)),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_request_gets_its_code_and_leaves_no_entry(field: Field, host: Stranger, case: str) -> None:
    code, make = HOSTILE[case]
    size, heads = field.size(host), dict(host.heads)
    answer = host.post(host.connect(), make(host, host.seal([f"a+b {case}"] * 20)))
    host.heads = heads
    assert answer.code == code
    assert field.size(host) == size


def test_a_replay_by_another_host_and_a_fork_are_told_apart(field: Field, host: Stranger) -> None:
    other = field.host()
    mine = host.seal(["mine"])
    assert host.post(other.connect(), mine.body).code == "not_this_agent"
    host.ship(host.connect(), mine)
    assert host.post(other.connect(), mine.body).code == "not_this_agent"
    twin = field.host()
    first = twin.seal(["said"])
    twin.ship(twin.connect(), first)
    size = field.size(host)
    for _ in range(2):
        assert twin.post(twin.connect(), signed(twin, first, version="clone")).code == "equivocation"
    assert field.size(host) == size + 1


def test_a_revoked_host_is_refused_on_the_connection_it_holds_open(field: Field) -> None:
    host = field.host()
    held = host.connect()
    host.ship(held, host.seal(["before"]))
    field.collector.command("agents", "revoke", host.agent, "--reason", "stolen")
    after = host.seal(["after"], sent=1)
    assert host.post(held, after.body).code == "revoked"
    assert host.post(host.connect(), after.body).code == "revoked"


class Persistent:
    """Posts on one connection as long as it lasts, then on another."""

    def __init__(self, host: Stranger) -> None:
        self._host = host
        self._connection: Connection | None = None

    def post(self, body: bytes) -> Answer:
        try:
            self._connection = self._connection or self._host.connect()
            return self._host.post(self._connection, body)
        except (http.client.HTTPException, ConnectionError, ssl.SSLError):
            self._connection = self._host.connect()
            return self._host.post(self._connection, body)


def test_of_a_thousand_mutations_none_is_accepted(field: Field, host: Stranger) -> None:
    good = host.seal(["good"])
    size, chance, line = field.size(host), random.Random(11), Persistent(host)  # noqa: S311 - repeatable
    codes: set[str | None] = set()
    for _ in range(MUTATIONS):
        body = mutate(good.body, chance)
        if body != good.body:
            codes.add(line.post(body).code)
    assert {"bad_digest", "bad_signature", "not_canonical", "bad_request"} <= codes
    assert not {None, "fault"} & codes
    assert field.size(host) == size
    host.ship(host.connect(), good)


def test_an_identical_resend_is_one_row(field: Field) -> None:
    host = field.host()
    batch, connection = host.seal(["only", "once"]), host.connect()
    receipts = [host.ship(connection, batch) for _ in range(3)]
    assert [receipt.get("duplicate", False) for receipt in receipts] == [False, True, True]
    assert {receipt["index"] for receipt in receipts} == {receipts[0]["index"]}
    assert len(field.rows(host, "batches", ["seq"])) == 1
    assert field.rows(host, "events", ["seq"]) == [(1,), (2,)]


def script(batches: int) -> list[list[dict[str, Any]]]:
    """Return what a host saw, in batches: files, commands and connections of nobody in particular."""
    now, seq = time.time_ns(), 0
    made: list[list[dict[str, Any]]] = []
    for batch in range(batches):
        bodies: list[dict[str, Any]] = [
            {"kind": "process.exec", "pid": 100 + batch, "start": batch, "argv": ["ls", f"/srv/{batch}"]},
            {"kind": "file.create", "path": f"/srv/{batch}", "actor": {"pid": 100 + batch}},
            {"kind": "process.exit", "pid": 100 + batch, "start": batch, "code": batch % 3},
        ]
        events = []
        for body in bodies:
            seq += 1
            events.append({"seq": seq, "time": now + seq, "mono": seq, "body": body})
        made.append(events)
    return made


def seal_all(host: Stranger, seen: list[list[dict[str, Any]]]) -> list[Batch]:
    made = []
    for number, events in enumerate(seen):
        lane = "priority" if number % 3 == 0 else "bulk"
        raw = b"".join(compact(event) + b"\n" for event in events)
        batch = host.sign(raw, lane, events, {"sent": events[-1]["time"], "mono": events[-1]["mono"]})
        host.heads[lane] = (batch.said["seq"], batch.digest)
        made.append(batch)
    return made


def test_shuffled_arrival_gives_the_rows_of_ordered_arrival(field: Field) -> None:
    seen = script(60)
    ordered, shuffled = field.host(), field.host()
    for host in (ordered, shuffled):
        batches, connection = seal_all(host, seen), host.connect()
        if host is shuffled:
            random.Random(3).shuffle(batches)  # noqa: S311 - a fixed shuffle
        for batch in batches:
            host.ship(connection, batch)
    own: dict[TableName, set[str]] = {"events": set(), "batches": {"digest"}}
    for table, hosts_own in own.items():
        columns = [column.name for column in TABLES[table] if column.name not in ARRIVAL | hosts_own]
        rows = field.rows(ordered, table, columns)
        assert len(rows) == (180 if table == "events" else 60)
        assert field.rows(shuffled, table, columns) == rows
