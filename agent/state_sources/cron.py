"""What cron and anacron run (crontab(5), anacrontab(5)): lines of tables, digests of scripts."""

from __future__ import annotations

import hashlib

from ..decode.config_lines import config_lines
from ..state_diff import Snapshot, as_lines
from ..state_source import Found, Homes, Place, Source

_FOLDERS = tuple(f"/etc/cron.{often}" for often in ("hourly", "daily", "weekly", "monthly", "yearly"))


def parse(found: Found) -> Snapshot:
    """Return the lines of a table; of a script of run-parts(8) its digest."""
    if found.path.startswith(_FOLDERS):
        return {found.path: {f"script sha256 {hashlib.sha256(found.content).hexdigest()}": ""}}
    return {found.path: as_lines(" ".join(line.split()) for line in config_lines(found.content))}


def _places(_homes: Homes) -> tuple[Place, ...]:
    return (
        Place("/etc", "crontab"),
        Place("/etc", "anacrontab"),
        Place("/etc/cron.d"),
        *(Place(folder) for folder in _FOLDERS),
        Place("/var/spool/cron/crontabs"),
        Place("/var/spool/cron"),
    )


SOURCE = Source("cron", _places, parse, packaged=True)
