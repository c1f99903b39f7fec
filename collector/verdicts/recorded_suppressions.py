"""The suppressions as the ledger's acts hold them, brought into state.db: it may be older, or made anew."""

from __future__ import annotations

import msgspec

from evidence.event import Event
from evidence.kind import Body
from evidence.kinds.collector import Act

from .. import recorded
from ..paths import Paths
from ..state_db import StateDb
from .suppression import SCOPES, Scope, Suppression
from .suppressions import Ended, Suppressions

ADD, END = "suppress.add", "suppress.end"
"""The verbs of the acts."""


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
    recorded.bring(paths.ledger, known, change)
    return known


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
