"""Seals a host's events into the batches its agent would send: evidence's own code, keys and chains."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from random import Random

import msgspec

from evidence import dsse, entry
from evidence.enrolment import PROOF_TYPE, Facts, Proof, Record
from evidence.entry import EntryType
from evidence.event import Event, stamp
from evidence.keys import PrivateKey
from evidence.kind import Body, Lane
from evidence.kinds.agent import Heartbeat
from evidence.seal import Circumstances, Place, SealedBatch, seal
from evidence.statement import Head

from . import draws
from .hosts import Boot, Host
from .machines import VERSION
from .settings import Settings
from .shell import SECOND
from .world import Told

BATCH_LIMIT = 1000
"""Events of a batch."""
_EPOCH = 1
_PER_SECOND = 20.0
"""Of what is under way as many come in a second: the network and the collector take 50 ms."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An entry for a ledger: its type and payload, the data beside it, and when it comes (UTC ns)."""

    type: EntryType
    payload: bytes
    data: bytes
    received: int


class _Open(msgspec.Struct):
    """A batch that is being filled: until when, and with what."""

    due: int
    events: list[Event[Body]]


class Agent:
    """The agent of a host, as far as its batches tell: an enrolment, and two chains."""

    def __init__(self, settings: Settings, host: Host) -> None:
        self._settings, self._host = settings, host
        self._key = PrivateKey(host.seed)
        self._seq = 0
        self._boot: Boot | None = None
        self._heads: dict[Lane, Head] = {}
        self._open: dict[Lane, _Open] = {}

    def enrol(self) -> Entry:
        """Return the entry by which the host is enrolled, which both chains begin with."""
        host, public = self._host, self._key.public.hex()
        certificate = hashlib.sha256(host.seed).hexdigest()
        facts = Facts(machine_id=host.agent, boot_id=host.boots[0].id, host=host.name)
        proof = Proof("nonce", "generated", certificate, public, facts)
        record = Record(
            agent=host.agent,
            epoch=_EPOCH,
            time=host.begins,
            public=public,
            proof=dsse.encode(msgspec.json.encode(proof), PROOF_TYPE, self._key).decode(),
            token="generated",  # noqa: S106 - a name
            certificate_sha256=certificate,
        )
        payload = msgspec.json.encode(record)
        anchor = Head(0, entry.digest(entry.encode(EntryType.ENROLMENT, payload)))
        self._heads = {"priority": anchor, "bulk": anchor}
        return Entry(EntryType.ENROLMENT, payload, b"", host.begins)

    def hour(self, told: Sequence[Told], end: int) -> Iterator[Entry]:
        """Yield the batches that are due within an hour, given its events, which are sorted by time."""
        draw = draws.stream(self._settings.seed, "network", self._host.name, end)
        for at, _machine, body in told:
            if any(one.due <= at for one in self._open.values()):
                yield from self._close(at, draw)
            boot = self._host.boot(at)
            if boot is not self._boot:
                # what the former run had not sent, its agent sends at once after the start
                yield from self._close(None, draw, at)
                self._boot = boot
            self._seq += 1
            mono = max(1, at - boot.at)
            event = stamp(body, seq=self._seq, time=at + self._host.off, mono=mono)
            lane = body.lane
            due = at + int(self._patience(lane, body, at) * SECOND)
            batch = self._open.get(lane)
            if batch is None:
                self._open[lane] = _Open(due, [event])
                continue
            batch.events.append(event)
            batch.due = min(batch.due, due)
            if len(batch.events) >= BATCH_LIMIT:
                batch.due = at
        yield from self._close(min(end, self._host.ends), draw)

    @property
    def is_busy(self) -> bool:
        """Whether something waits to be sealed."""
        return bool(self._open)

    def _patience(self, lane: Lane, body: Body, at: int) -> float:
        if lane == "priority" and not isinstance(body, Heartbeat):
            return self._settings.priority_seconds
        who = getattr(body, "actor", body)
        session = getattr(who, "session", None)
        seconds = self._settings.bulk_seconds if session is None else self._settings.person_seconds
        left = (self._host.ends - at) / SECOND
        return min(seconds, left)

    def _close(self, now: int | None, draw: Random, latest: int | None = None) -> Iterator[Entry]:
        """Seal what is due, the earliest first; all, at latest, if now is None. On its way it is a moment."""
        due = sorted((one.due, lane) for lane, one in self._open.items() if now is None or one.due <= now)
        for when, lane in due:
            at = when if latest is None else min(when, latest)
            sealed = self._seal(lane, self._open.pop(lane).events, at)
            yield Entry(
                EntryType.BATCH,
                sealed.envelope,
                sealed.data,
                at + int(draw.expovariate(_PER_SECOND) * SECOND),
            )

    def _seal(self, lane: Lane, events: Sequence[Event[Body]], at: int) -> SealedBatch:
        boot = self._boot or self._host.boots[0]
        other: Lane = "priority" if lane == "bulk" else "bulk"
        place = Place(self._host.agent, _EPOCH, lane, self._heads[lane], self._heads[other])
        around = Circumstances(boot.id, at + self._host.off, max(1, at - boot.at), VERSION)
        sealed = seal(events, place, around, self._key)
        self._heads[lane] = sealed.head
        return sealed
