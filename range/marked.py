"""Scenarios run only where somebody said on purpose that a host is a range, and only as root."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

MARK = Path("/etc/vedette/range")
VARIABLE = "VEDETTE_RANGE"
YES = "this-host-is-a-range"
"""What the variable must be."""


class NotARange(RuntimeError):
    """Scenarios must not run here; the message says why, and what to do."""


def demand(environment: Mapping[str, str] = os.environ, mark: Path = MARK) -> None:
    """Return if this host is marked as a range and we are root.

    Raises:
        NotARange: it is not, or we are not.
    """
    if not mark.exists() and environment.get(VARIABLE) != YES:
        raise NotARange(
            "this host is not marked as a range, and scenarios do what attackers do; on a host that is "
            f"meant for it: touch {mark}, or for one run: {VARIABLE}={YES}"
        )
    if os.geteuid() != 0:
        raise NotARange("the range makes namespaces and accounts in them: run it as root")
