"""The pipeline's pure core: ledger entries in order → events with persons, and alerts. No clock, no disk.

Everything depends on the ledger alone: each batch is one step of the engine at its receive time, so a
replay gives the same, whatever the sizes of commits were. Only `tick` brings in a clock, for absence.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from evidence import dsse, enrolment
from evidence.entry import EntryType
from evidence.errors import EvidenceError
from evidence.event import Event
from evidence.kinds.agent import Heartbeat, Start
from evidence.kinds.collector import Act
from evidence.statement import Statement

from ..alert import Alert
from ..chains.contest import Contest
from ..engine import Engine
from ..errors import StoreError
from ..lake import decode
from ..lake.decode import Batch, Reading
from ..lake.extract import Opaque
from ..ledger.reader import LedgerItem
from ..organisation.known import Known
from ..record import Arrival, Origin, Person, SessionRevision
from ..rule import Detection
from ..rules.costs import Measured
from ..rules.rulebook import Book
from ..sigma.ruleset import Ruleset
from . import findings, skew

TICK = 1_000_000_000
"""Nanoseconds of ledger time between ticks."""
_NAMING_KINDS = frozenset({Start, Heartbeat})
_LOGGED_LIMIT = 100
"""Different faults of rules that are logged with their traceback, each once."""
_EMPTY, _BIN_32 = b"\xc4\x00", b"\xc6"
"""How msgpack writes bytes: none, and what is before 4 octets of length (msgpack.org, bin format family)."""
_log = logging.getLogger(__name__)
T = TypeVar("T")


class Folded(msgspec.Struct, frozen=True):
    """A batch as it is stored: its agent's host name, whether contested, and who is behind each event.

    sessions is what has become known by it, of sessions on any host.
    """

    batch: Batch
    host: str
    contested: bool
    persons: list[Person | None]
    sessions: tuple[SessionRevision, ...] = ()


class _State(msgspec.Struct):
    """What the fold itself remembers. By agent: host name, clock, entry since which it is contested."""

    position: int = 0
    ticked: int = 0
    hosts: dict[str, str] = {}
    contested: dict[str, int | None] = {}
    clocks: dict[str, skew.Clock] = {}


class _Dump(msgspec.Struct, frozen=True):
    state: _State
    engine: bytes


class Fold:
    """Feeds entries to an engine, one by one, in the order of the ledger."""

    def __init__(self, engine: Engine, tick: int = TICK) -> None:
        """Take the engine, and how often it is asked what did not happen: ns of ledger time."""
        self._engine = engine
        self._every = tick
        self._state = _State()
        self._contest = Contest()
        self._logged: set[str] = set()

    @property
    def position(self) -> int:
        """Index of the next entry to feed."""
        return self._state.position

    def feed(self, item: LedgerItem) -> tuple[Folded | None, list[Alert]]:
        """Take the next entry; return what is to be stored of it, and the alerts that arose."""
        alerts = [] if item.received is None else self._pass_time(item.received)
        folded: Folded | None = None
        try:
            if item.type is EntryType.ENROLMENT:
                self._enrolled(item)
            elif item.type in decode.STATEMENTS:
                folded, found = self._batch(item)
                alerts += found
            else:
                self._contest.apply(item.type, item.payload)
        except EvidenceError as error:
            _log.warning("entry %d is kept in the ledger but cannot be read: %s", item.index, error)
        self._state.position = item.index + 1
        return folded, alerts

    def tick(self, now: int) -> list[Alert]:
        """Return alerts for what did not happen by now (UTC ns). Only when all entries were fed."""
        self._state.ticked = max(now, self._state.ticked)
        return self._guard(lambda: self._engine.tick(self._state.ticked), [], [])

    def learn(self, known: Known) -> None:
        """Hand to the engine what the operator tells from the next entry on."""
        self._engine.learn(known)

    def decided(self) -> Book:
        """Return what people decided of rules, as far as the ledger was read."""
        return self._engine.decided()

    def broken(self, now: int) -> list[Act]:
        """Return acts to be recorded by now (UTC ns), once all entries were fed."""
        nothing: list[Act] = []
        return self._guard(lambda: self._engine.broken(now), nothing, [])

    def measured(self) -> Measured:
        """Return what rules cost since the start; no part of the state."""
        return self._engine.measured()

    def enforce(self, ruleset: Ruleset) -> None:
        """Hand to the engine the Sigma rules that are in force from the next entry on."""
        self._engine.enforce(ruleset)

    def adopt(self, site_rules: Sequence[Detection]) -> None:
        """Hand to the engine the site's own detections that are in force from the next entry on."""
        self._engine.adopt(site_rules)

    def _pass_time(self, received: int) -> list[Alert]:
        """Let absence be noticed at the ledger's own pace, before the entry that ends it."""
        return self.tick(received) if received >= self._state.ticked + self._every else []

    def _enrolled(self, item: LedgerItem) -> None:
        try:
            record = msgspec.json.decode(item.payload, type=enrolment.Record)
            proof = dsse.parse(record.proof.encode(), enrolment.PROOF_TYPE)
            facts = msgspec.json.decode(proof.payload, type=enrolment.Proof).facts
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.warning("entry %d: the enrolment cannot be read: %s", item.index, error)
        else:
            self._state.hosts[record.agent] = facts.host

    def _batch(self, item: LedgerItem) -> tuple[Folded, list[Alert]]:
        reading = Reading(item)
        said, received = reading.said, item.received or reading.said.sent
        alerts: list[Alert] = []
        faults: list[Exception] = []
        alerts += self._arrived(item, reading, faults)
        contested = self._contest.is_contested(said.agent, item.index)
        persons: list[Person | None] = []
        ahead = skew.learn(self._state.clocks, said.agent, said.boot, sent=said.sent, received=received)
        origin: Origin | None = None
        for events in reading.parts():
            kinds = {type(event.body) for event in events}
            if not _NAMING_KINDS.isdisjoint(kinds):
                self._learn_host(said.agent, events)
                origin = None
            if contested:
                persons += [None] * len(events)
                continue
            if origin is None:
                origin = self._origin(said, item.index, received, ahead)
            if Opaque in kinds:
                found, raised = self._attribute_known(origin, events, faults)
            else:
                found, raised = self._attribute(origin, events, faults)
            persons += found
            alerts += raised
            del events  # before the next are made: theirs is then the memory that is at hand
        batch, host = reading.batch(), self._state.hosts.get(said.agent, "")
        if batch.faults:
            alerts.append(findings.undecodable(batch, host))
        alerts += [findings.rule_fault(batch, host, error) for error in faults[:1]]
        nothing: list[SessionRevision] = []
        sessions = self._guard(self._engine.sessions, nothing, faults)
        return Folded(batch, host, contested, persons, tuple(sessions)), alerts

    def _origin(self, said: Statement, index: int, received: int, ahead: int) -> Origin:
        # What a host is called stands in the state of many sessions and rules: there it is one string.
        agent, boot = sys.intern(said.agent), sys.intern(said.boot)
        host = sys.intern(self._state.hosts.get(agent, ""))
        return Origin(agent, said.epoch, boot, host, index, received, ahead)

    def _arrived(self, item: LedgerItem, reading: Reading, faults: list[Exception]) -> list[Alert]:
        """Show the statement to the engine, and note it if it contradicts another."""
        said, received = reading.said, item.received or reading.said.sent
        arrival = Arrival(
            agent=said.agent,
            epoch=said.epoch,
            lane=said.lane,
            seq=said.seq,
            digest=reading.digest,
            prev=said.prev,
            index=item.index,
            received=received,
            sent=said.sent,
            equivocation=item.type is EntryType.EQUIVOCATION,
        )
        alerts: list[Alert] = self._guard(lambda: self._engine.arrived([arrival], received), [], faults)
        if arrival.equivocation:
            self._contest.equivocated(item.index, said.agent)
            self._state.contested[said.agent] = item.index
        return alerts

    def _learn_host(self, agent: str, events: list[Event[Any]]) -> None:
        for event in events:
            if type(event.body) in _NAMING_KINDS and event.body.host:
                self._state.hosts[agent] = event.body.host

    def _attribute(
        self, origin: Origin, events: list[Event[Any]], faults: list[Exception]
    ) -> tuple[list[Person | None], list[Alert]]:
        """Return who is behind each event, and alerts."""
        nothing: tuple[list[Person | None], list[Alert]] = ([], [])
        found, alerts = self._guard(
            lambda: self._engine.step(origin, events, origin.received), nothing, faults
        )
        return found if len(found) == len(events) else [None] * len(events), alerts

    def _attribute_known(
        self, origin: Origin, events: list[Event[Any]], faults: list[Exception]
    ) -> tuple[list[Person | None], list[Alert]]:
        """Do what `_attribute` does; events of kinds the engine cannot know are not shown to it."""
        known = [at for at, event in enumerate(events) if type(event.body) is not Opaque]
        found, alerts = self._attribute(origin, [events[at] for at in known], faults)
        persons: list[Person | None] = [None] * len(events)
        for at, person in zip(known, found, strict=True):
            persons[at] = person
        return persons, alerts

    def _guard(self, call: Callable[[], T], otherwise: T, faults: list[Exception]) -> T:
        """Run a part of the engine; a fault in a rule must not stop the record of everybody else."""
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - whatever a rule does wrong, the record goes on
            faults.append(error)
            text = f"{type(error).__name__}: {error}"
            if text not in self._logged and len(self._logged) < _LOGGED_LIMIT:
                self._logged.add(text)
                _log.exception("rules failed at entry %d; its events are stored", self._state.position)
            return otherwise

    def dump(self) -> tuple[bytes, bytes]:
        """Return the whole state, the engine's included: in two pieces, which `load` takes as one.

        They are what msgpack makes of a `_Dump`, without a copy of the engine's part, the nearly whole of it.
        """
        self._state.contested = {agent: self._contest.since(agent) for agent in self._state.contested}
        engine = self._engine.dump()
        empty = msgspec.msgpack.encode(_Dump(self._state, b""))
        return empty[: -len(_EMPTY)] + _BIN_32 + len(engine).to_bytes(4, "big"), engine

    def load(self, raw: bytes) -> None:
        """Take a state that `dump` gave.

        Raises:
            StoreError: it cannot be read, or the engine refuses it.
        """
        try:
            stored = msgspec.msgpack.decode(raw, type=_Dump)
            self._engine.load(stored.engine)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"engine state: {error}") from error
        self._state = stored.state
        for agent, since in stored.state.contested.items():
            if since is not None:
                self._contest.equivocated(since, agent)
