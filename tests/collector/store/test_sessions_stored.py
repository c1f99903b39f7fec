"""Three hosts through fold, engine and lake: in any order the same sessions, and all that a person did."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collector.analysis import Analysis
from collector.engine import Engine
from collector.lake import snapshot
from collector.lake.local_shelf import LocalShelf
from collector.pipeline import replay
from collector.pipeline.pipeline import Pipeline
from collector.questions import fetch, person_queries, queries
from collector.questions.queries import Span
from collector.settings import Detection
from collector.settings import Pipeline as Settings
from evidence import codec
from evidence.kind import Endpoint
from evidence.kinds.connection import Close
from evidence.kinds.process import Exec
from tests.collector.fleet import LAPTOP, Host

from .workbench import FakeLedger, enrol

SETTINGS = Settings(commit_seconds=0.001, commit_rows=50, checkpoint_seconds=1000)
SENT = 5_000_000


def hosts() -> tuple[Host, Host, Host]:
    """Return alice's way over two hosts to a third, whose clock is 90 s ahead, where she sends something."""
    bastion, app = Host("a" * 32, "10.0.0.1"), Host("b" * 32, "10.0.0.2")
    db = Host("c" * 32, "10.0.0.3", ahead=90)
    bastion.login("alice", 7, LAPTOP, 50_000, 0, key="SHA256:alice")
    bastion.ssh(app, 7, 40_001, 10)
    app.login("deploy", 21, bastion.ip, 40_001, 11)
    app.ssh(db, 21, 40_002, 20)
    db.login("postgres", 3, app.ip, 40_002, 21)
    db.tell(Exec(pid=700, uid=26, auid=26, session=3, exe="/usr/bin/pg_dump", argv=("pg_dump",)), 30)
    remote = Endpoint(ip="203.0.113.9", port=443)
    db.tell(
        Close(
            flow=1, protocol="tcp", direction="out", local=Endpoint(ip=db.ip, port=40_009), remote=remote,
            bytes_out=SENT, bytes_in=100, actor=db.actor(3, "/usr/bin/curl"),
        ),
        60,
    )  # fmt: skip
    return bastion, app, db


def fill(order: tuple[int, ...]) -> FakeLedger:
    """Return a ledger with a batch of each host, in this order, and a later one of each."""
    ledger, told = FakeLedger(), hosts()
    for host in told:
        enrol(ledger, host.name, f"host-{host.name[0]}")
    for at in order:
        seen = [event for _, event in told[at].seen]
        ledger.raw(told[at].name, codec.encode(seen), len(seen))
    for _ in range(12):
        ledger.batch("d" * 32, [Exec(pid=1, exe="/bin/true")])
    return ledger


def engine() -> Engine:
    return Analysis(Detection())


def stored(ledger: FakeLedger, folder: Path) -> Path:
    """Run a pipeline over the ledger, with a restart in the middle, and return the snapshot's path."""
    path = folder / "snapshot.json"
    for limit in (5, len(ledger.entries)):
        pipeline = Pipeline(
            ledger,
            folder / "lake" / "000001",
            path,
            engine,
            SETTINGS,
            clock=ledger.now,
            open_shelf=LocalShelf,
        )
        try:
            while pipeline.position < limit:
                pipeline.turn(0)
            pipeline.flush()
        finally:
            pipeline.close()
    return path


def sessions(path: Path, columns: str) -> list[tuple[object, ...]]:
    connection = snapshot.connect(snapshot.read(path))
    return connection.execute(f"SELECT {columns} FROM sessions ORDER BY agent, session").fetchall()  # noqa: S608


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_any_order_of_hosts_ends_in_the_same_sessions(order: tuple[int, ...], tmp_path: Path) -> None:
    path = stored(fill(order), tmp_path)
    rows = sessions(path, "user, person, how, source, bytes_out, evidence, chain ->> '$[*].host'")
    assert [row[:5] for row in rows] == [
        ("alice", "alice", "kernel", LAPTOP, 0),
        ("deploy", "alice", "hop", LAPTOP, 0),
        ("postgres", "alice", "hop", LAPTOP, SENT),
    ]
    joins = [f"{'a' * 32}:1:3", f"{'b' * 32}:1:1", f"{'b' * 32}:1:3", f"{'c' * 32}:1:1"]
    assert rows[2][5] == [*joins, f"{'c' * 32}:1:2"]
    assert rows[2][6] == ["host-a", "host-b"]
    connection = snapshot.connect(snapshot.read(path))
    own = rows_of(connection, person_queries.sessions("alice", Span(), 100))
    did = person_queries.did("alice", own)
    found = fetch.events(connection, queries.timeline(did, Span(), 100, everything=True), 60)
    named = person_queries.named(found, rows_of(connection, person_queries.sessions_of(found)))
    assert [row["person"] for row in named] == ["alice"] * sum(len(host.seen) for host in hosts())


def rows_of(connection: duckdb.DuckDBPyConnection, query: queries.Query) -> list[dict[str, Any]]:
    return fetch.rows(connection, query, 60)


def test_a_replay_gives_the_same_revisions(tmp_path: Path) -> None:
    ledger = fill((2, 1, 0))
    first = sessions(stored(ledger, tmp_path), "*")
    again = tmp_path / "again"
    (again / "lake").mkdir(parents=True)
    replay.replay(ledger, again / "lake", again / "snapshot.json", engine, SETTINGS, clock=ledger.now)
    assert sessions(again / "snapshot.json", "*") == first
