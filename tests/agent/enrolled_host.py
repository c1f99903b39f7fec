"""A state folder as enrolment leaves it, so that watch can run without a collector; and what it sealed."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import msgspec

from agent import identity, layout, machine
from agent.identity import Binding, Stored
from agent.layout import Layout
from agent.spool.disk import Disk, LocalDisk
from agent.spool.outgoing import Outgoing
from agent.supervision.privilege import ship_account
from evidence import seal
from evidence.event import Event
from evidence.kind import Body, Lane
from evidence.statement import Statement
from tests.agent.chain import AGENT, ENTRY, KEY, SPOOL_KEY, Log

REDACTION_KEY = b"r" * 32


def enrol(state: Path) -> Layout:
    """Write an identity for this machine into state."""
    places = Layout(state)
    account = ship_account()
    layout.prepare(places, account)
    log = Log()
    secret = LocalDisk(0o600)
    facts = machine.read()
    secret.replace(places.signing_key, b"a" * 32)
    LocalDisk(0o640).replace(places.spool_key, SPOOL_KEY)
    stored = Stored(
        agent=AGENT,
        epoch=1,
        entry=ENTRY,
        ledger=str(log.key),
        redaction_key=base64.b64encode(REDACTION_KEY).decode(),
        checkpoint=log.note(),
        public=KEY.public.hex(),
        facts=facts,
    )
    secret.replace(places.binding, msgspec.json.encode(Binding(AGENT, 1, facts)))
    if account is not None:
        os.chown(places.binding, account.uid, account.gid)
        os.chown(places.spool_key, -1, account.gid)
    secret.replace(places.identity, identity.encode(stored))
    return places


def sealed(
    spool: Path, lane: Lane, disk: Disk | None = None, key: bytes = SPOOL_KEY, public: bytes = KEY.public
) -> list[tuple[Statement, list[Event[Body]]]]:
    """Return every statement of lane in the spool, verified, with its events."""
    outgoing = Outgoing(spool, key, disk or LocalDisk())
    outgoing.refresh()
    found: list[tuple[Statement, list[Event[Body]]]] = []
    while (place := outgoing.peek(lane)) is not None:
        parcel = outgoing.open(place)
        outgoing.take(lane)
        if parcel is not None:
            batch, decoded = seal.unseal(parcel.envelope, parcel.data, public)
            found.append((batch.statement, [event for event in decoded.events if isinstance(event, Event)]))
    return found
