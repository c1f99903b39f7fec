"""By what an incident is found: its id is that of its earliest finding. Pure.

Which one that is may change: an earlier one comes late, or is judged and hidden. So each finding lends an id
to the story it is in. Whose it is may be learnt late too: readers look for the names it was told under.
"""

from __future__ import annotations

import hashlib

from .. import risk
from ..alert import Alert
from ..record import How

_LENGTH = 16


def root(agent: str, person: str | None, how: How | None) -> str:
    """Return whose story a finding belongs to; a user id says nothing beyond its host."""
    if person is None:
        return f"host|{agent}"
    return f"uid|{agent}|{person}" if how == "uid" else f"person|{person}"


def root_of(alert: Alert) -> str:
    """Return whose story an alert belongs to."""
    person = alert.person
    return root(alert.agent, person.name, person.how) if person is not None else root(alert.agent, None, None)


def identity(of: str, alert: Alert) -> str:
    """Return the id of the story of this root whose earliest finding is the alert."""
    return hashlib.sha256(f"{of}|{_anchor(alert)}".encode()).hexdigest()[:_LENGTH]


def _anchor(alert: Alert) -> str:
    """Return what names a finding; a risk that was crossed is named by the first finding it adds up."""
    if alert.rule == risk.RULE.id:
        return alert.entity.rsplit("|", 2)[0]
    return f"{alert.rule}|{alert.entity}"
