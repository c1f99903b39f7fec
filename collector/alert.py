"""An alert: what was found, who did it and how we know, from where, how many bytes, on which evidence."""

from __future__ import annotations

import functools
from typing import Literal

import msgspec

from .record import Person

Severity = Literal["informational", "low", "medium", "high", "critical"]
IF_SURE, INFERRED_BY = "if_sure", "inferred_by"
"""Details of an alert whose person is only inferred: its severity else, and the event that links them."""
OTHERS = "others"
"""Detail of an alert: how many other persons used its destination before."""
BY = "by"
"""Detail of an alert: with which program bytes were sent."""


class Alert(msgspec.Struct, frozen=True, omit_defaults=True):
    """One alert, a row of the lake. id = hash(rule, version, entity, evidence): a replay gives the same.

    time is the event time (UTC ns) of the last contributing event, evidence their uids, attack ATT&CK ids.
    detected (UTC ns) is when the pipeline decided; it is no part of the id. entity is what the rule found it
    about; of the alerts of one rule and entity the one with the highest revision stands for all. boot is the
    boot id of the person's session. staged: its rule is only tried, and it alerts nobody.
    """

    id: str
    rule: str
    version: int
    severity: Severity
    title: str
    summary: str
    time: int
    detected: int
    agent: str
    host: str
    person: Person | None = None
    destination: str | None = None
    bytes_out: int | None = None
    evidence: tuple[str, ...] = ()
    attack: tuple[str, ...] = ()
    details: dict[str, str] = {}
    entity: str = ""
    revision: int = 0
    boot: str | None = None
    staged: bool = False


@functools.lru_cache(1024)
def entity_key(rule: str, entity: str) -> str:
    """Return what a rule's entity is remembered by: one and the same string for all who do."""
    return f"{rule}|{entity}"
