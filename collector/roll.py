"""The enrolments in state.db, brought up to what the ledger's files hold."""

from __future__ import annotations

from .enrolments import Enrolments
from .ledger import scan
from .ledger.layout import SEGMENT
from .ledger.reader import LedgerReader
from .paths import Paths
from .state_db import StateDb


def enrolments(paths: Paths) -> Enrolments:
    """Return the enrolments with every durable entry taken in.

    Raises:
        NotSetUp: there is no database.
        LedgerError: the ledger cannot be read.
    """
    known = Enrolments(StateDb(paths.state_db))
    at = known.position()
    reader = LedgerReader(paths.ledger)
    try:
        size = reader.size()
    finally:
        reader.close()
    while at < size:
        count = min(size, (at // SEGMENT + 1) * SEGMENT) - at
        known.take(at, scan.read_entries(paths.ledger, at, count))
        at += count
    return known
