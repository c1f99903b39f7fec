"""A ledger in memory, agents that seal batches into it, and an engine small enough to foresee."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import msgspec

from collector.alert import Alert
from collector.lake import snapshot
from collector.lake.local_shelf import LocalShelf
from collector.ledger.reader import LedgerItem
from collector.organisation.known import Known
from collector.pipeline.pipeline import Pipeline
from collector.record import Arrival, Hop, Origin, Person, SessionRevision
from collector.rule import Detection
from collector.rules.costs import Measured
from collector.rules.rulebook import Book
from collector.settings import Pipeline as Settings
from collector.sigma.ruleset import Ruleset
from evidence import codec, dsse, enrolment, frame, statement
from evidence.entry import EntryType
from evidence.event import Event, stamp
from evidence.keys import PrivateKey
from evidence.kind import Body, Endpoint
from evidence.kinds.collector import Act
from evidence.kinds.connection import Close
from evidence.kinds.process import Exec
from evidence.statement import Head, Statement

KEY = PrivateKey(b"\x07" * 32)
SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND


class FakeLedger:
    """Implements `pipeline.Source` over a list, and seals what it is told to hold."""

    def __init__(self) -> None:
        self.entries: list[LedgerItem] = []
        self._seqs: dict[str, int] = {}
        self._events: dict[str, int] = {}

    def items(self, start_index: int, limit: int) -> Iterable[LedgerItem]:
        return self.entries[start_index : start_index + limit]

    def wait(self, _size: int, _timeout: float) -> int:
        return len(self.entries)

    def batch(self, agent: str, bodies: Sequence[Body], kind: EntryType = EntryType.BATCH) -> LedgerItem:
        """Append a batch of events with these bodies, a second after the former entry."""
        raw = codec.encode(self.events(agent, bodies))
        return self.raw(agent, raw, len(bodies), kind=kind)

    def events(self, agent: str, bodies: Sequence[Body]) -> list[Event[Body]]:
        first = self._events.get(agent, 0) + 1
        self._events[agent] = first + len(bodies) - 1
        now = self.now()
        return [stamp(body, seq=first + at, time=now + at, mono=at) for at, body in enumerate(bodies)]

    def raw(
        self,
        agent: str,
        raw: bytes,
        count: int,
        *,
        kind: EntryType = EntryType.BATCH,
        data: bytes | None = None,
    ) -> LedgerItem:
        """Append a signed batch whose data holds raw, or is data."""
        compressed = frame.compress(raw) if data is None else data
        seq = self._seqs[agent] = self._seqs.get(agent, 0) + 1
        said = Statement(
            agent=agent,
            epoch=1,
            lane="bulk",
            seq=seq,
            prev="0" * 64,
            other=Head(0, "0" * 64),
            boot="boot-1",
            sent=self.now(),
            mono=1,
            codec=statement.CODEC,
            sha256=hashlib.sha256(compressed).hexdigest(),
            length=len(compressed),
            raw_length=len(raw),
            events=count,
            version="1",
        )
        envelope = dsse.encode(statement.to_bytes(said), statement.PAYLOAD_TYPE, KEY)
        return self.append(kind, envelope, compressed)

    def append(self, kind: EntryType, payload: bytes, data: bytes = b"") -> LedgerItem:
        item = LedgerItem(len(self.entries), kind, payload, data, self.now())
        self.entries.append(item)
        return item

    def now(self) -> int:
        return START + len(self.entries) * SECOND


class UidEngine:
    """Names the uid as person; alerts on the command ``evil``, a fork, and silence of ten seconds."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.opened: list[SessionRevision] = []
        self.overspent: list[Act] = []

    def step(
        self, origin: Origin, events: Sequence[Event[Body]], now: int
    ) -> tuple[list[Person | None], list[Alert]]:
        alerts: list[Alert] = []
        for event in events:
            if isinstance(event.body, Exec) and event.body.exe == "evil":
                alerts.append(_alert(origin.uid(event), "evil", origin.agent, now, _person(event)))
            if isinstance(event.body, Exec) and event.body.exe == "crash":
                raise RuntimeError("a rule is wrong")
            self.seen[origin.agent] = now
        self.opened.append(_session(origin, now))
        return [_person(event) for event in events], alerts

    def sessions(self) -> list[SessionRevision]:
        told, self.opened = self.opened, []
        return told

    def arrived(self, arrivals: Sequence[Arrival], now: int) -> list[Alert]:
        return [_alert(item.digest, "fork", item.agent, now, None) for item in arrivals if item.equivocation]

    def tick(self, now: int) -> list[Alert]:
        silent = [agent for agent, at in self.seen.items() if now - at > 10 * SECOND]
        return [_alert(f"{self.seen.pop(agent)}", "silent", agent, now, None) for agent in silent]

    def learn(self, known: Known) -> None:
        self.known = known

    def enforce(self, ruleset: Ruleset) -> None:
        self.ruleset = ruleset

    def adopt(self, site_rules: Sequence[Detection]) -> None:
        self.site_rules = site_rules

    def decided(self) -> Book:
        return Book()

    def broken(self, now: int) -> list[Act]:
        return [act for act in self.overspent if now]

    def measured(self) -> Measured:
        return Measured()

    def dump(self) -> bytes:
        return "\n".join(f"{agent} {at}" for agent, at in self.seen.items()).encode()

    def load(self, state: bytes) -> None:
        lines = [line.split() for line in state.decode().splitlines()]
        self.seen = {agent: int(at) for agent, at in lines}


def _person(event: Event[Body]) -> Person | None:
    uid = getattr(event.body, "uid", None)
    return None if uid is None else Person(f"uid{uid}", "uid", session=3)


def _session(origin: Origin, now: int) -> SessionRevision:
    """Return a session for each agent, reached from another, of which each batch gives a revision."""
    person = Person("uid1000", "hop", 3, chain=(Hop("x", "bastion", "b", 7, "alice", "kernel", ("x:1:1",)),))
    return SessionRevision(
        origin.agent, origin.boot, 3, origin.host, "deploy", person, "10.0.0.1", None,
        opened=START, closed=None, skew=origin.skew, bytes_out=now - START, bytes_in=0,
        evidence=("x:1:1",), revised=now,
    )  # fmt: skip


def _alert(key: str, rule: str, agent: str, now: int, person: Person | None) -> Alert:
    identity = hashlib.sha256(f"{rule}|{agent}|{key}".encode()).hexdigest()[:24]
    return Alert(identity, rule, 1, "high", rule, f"{rule} on {agent}", now, now, agent, "h", person,
                 evidence=(key,), details={"k": "v"})  # fmt: skip


class Bench:
    """One pipeline over a fake ledger, in a folder, with what readers see of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = FakeLedger()
        self.notified: list[str] = []
        self.settings = Settings(commit_seconds=0.001, commit_rows=50, checkpoint_seconds=1000)

    def open(self) -> Pipeline:
        return Pipeline(
            self.ledger,
            self.folder / "lake" / "000001",
            self.folder / "snapshot.json",
            UidEngine,
            self.settings,
            clock=self.ledger.now,
            notify=lambda alerts: self.notified.extend(alert.id for alert in alerts),
            open_shelf=LocalShelf,
        )

    def run(self) -> None:
        """Follow the ledger to its end, commit, and stop in good order."""
        pipeline = self.open()
        try:
            while pipeline.position < len(self.ledger.entries):
                pipeline.turn(0)
            pipeline.flush()
        finally:
            pipeline.close()

    def readers(self) -> duckdb.DuckDBPyConnection:
        return snapshot.connect(snapshot.read(self.folder / "snapshot.json"))

    def rows(self, table: str, columns: str = "*") -> list[tuple[object, ...]]:
        return self.readers().execute(f"SELECT {columns} FROM {table} ORDER BY ALL").fetchall()  # noqa: S608


def some_bodies(count: int) -> list[Body]:
    """Return count bodies, closed connections and execs in turn."""
    return [
        Exec(pid=at, exe="/bin/ls", argv=("ls", "-l", str(at)), uid=1000, sha256="a" * 64)
        if at % 2
        else Close(
            flow=at,
            protocol="tcp",
            direction="out",
            local=Endpoint(ip="10.0.0.1", port=40_000),
            remote=Endpoint(ip="203.0.113.9", port=443, name="drop.example"),
            bytes_out=at,
        )
        for at in range(count)
    ]


def enrol(ledger: FakeLedger, agent: str, host: str) -> None:
    """Append an enrolment entry that gives an agent its host name."""
    facts = enrolment.Facts(machine_id="m", boot_id="b", host=host)
    proof = enrolment.Proof("n", "t", "0" * 64, KEY.public.hex(), facts)
    envelope = dsse.encode(msgspec.json.encode(proof), enrolment.PROOF_TYPE, KEY).decode()
    record = enrolment.Record(agent, 1, 0, KEY.public.hex(), envelope, "t", "0" * 64)
    ledger.append(EntryType.ENROLMENT, msgspec.json.encode(record))
