"""The suppressions as the ledger's acts hold them, brought into state.db: it may be older, or made anew."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec

from evidence.entry import EntryType
from evidence.errors import EvidenceError
from evidence.event import Event
from evidence.kind import Body
from evidence.kinds.collector import Act

from .decode import Reading
from .ledger.reader import LedgerItem, LedgerReader
from .paths import Paths
from .state_db import StateDb
from .suppression import SCOPES, Scope, Suppression
from .suppressions import Ended, Suppressions

ADD, END = "suppress.add", "suppress.end"
"""The verbs of the acts."""
_log = logging.getLogger(__name__)


def detail(made: Suppression) -> dict[str, str]:
    """Return what the act says of a suppression besides its author and id."""
    return {"reason": made.reason, "expires": str(made.expires), **msgspec.to_builtins(made.scope)}


def suppressions(paths: Paths) -> Suppressions:
    """Return the suppressions with every durable act taken in.

    Acts whose data retention deleted no longer say what they hid: what they hid shows again.

    Raises:
        NotSetUp: there is no database.
        LedgerError: the ledger cannot be read.
    """
    known = Suppressions(StateDb(paths.state_db))
    reader = LedgerReader(paths.ledger)
    try:
        begin, end = known.position(), reader.size()
        changes = [change for item in _acts(reader, begin, end) if (change := _change(item)) is not None]
    finally:
        reader.close()
    known.take(changes, end)
    return known


def _acts(reader: LedgerReader, begin: int, end: int) -> Iterator[LedgerItem]:
    """Yield the acts from begin on, with their data."""
    gone = 0
    for index in [item.index for item in reader.entries(begin) if item.type is EntryType.ACT]:
        if index >= end:
            break
        (item,) = reader.items(index, 1)
        gone += item.data is None
        yield item
    if gone:
        _log.warning("the data of %d acts was deleted: suppressions among them cannot be known", gone)


def _change(item: LedgerItem) -> Suppression | Ended | None:
    """Return what an act did to suppressions; None where it is about something else, or cannot be read."""
    try:
        events = [event for part in Reading(item).parts() for event in part]
        return next((made for event in events if (made := change(event)) is not None), None)
    except (EvidenceError, KeyError, ValueError) as error:
        _log.warning("entry %d: an act that cannot be read: %s", item.index, error)
        return None


def change(event: Event[Body]) -> Suppression | Ended | None:
    """Return the suppression that an act made, or the end it made of one; None for any other act.

    Raises:
        KeyError, ValueError: it is an act of ours by its verb, and says too little.
    """
    act = event.body
    if not isinstance(act, Act) or not act.allowed or act.object is None or act.verb not in (ADD, END):
        return None
    if act.verb == END:
        return Ended(act.object, act.user, event.time)
    said = act.detail or {}
    scope = Scope(**{name: said[name] for name in SCOPES if name in said})
    return Suppression(act.object, act.user, said["reason"], scope, event.time, int(said["expires"]))
