"""The sessions that led to one, in a line: who came from where, over which hosts, as which accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Hop = Mapping[str, Any]


def path(chain: Sequence[Hop], here: str) -> str:
    """Return a chain up to the session that is here, such as ``alice@bastion → deploy@app → root@db``."""
    return " → ".join([*(step(hop) for hop in chain), here])


def step(hop: Hop) -> str:
    """Return one session of a chain: account, host and number, and how it is known where not by a login."""
    how = hop.get("how")
    said = f" ({how})" if how in ("inferred", "uid") else ""
    number = f" #{hop['session']}" if hop.get("session") is not None else ""
    return f"{hop.get('user', '-')}@{hop.get('host', '-')}{number}{said}"
