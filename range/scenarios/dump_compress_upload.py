"""A database dumped, compressed and uploaded, step by step."""

from __future__ import annotations

from ..props import DESIGN_BYTES, upload
from ..scenario import BACKUP, STRANGER, Person, Prepared, Scenario, Step, Truth
from ..twins import Draw

_DUMPER = f"""\
cat > /usr/local/bin/pg_dump <<'END'
#!/bin/sh
exec head -c {DESIGN_BYTES} /dev/urandom
END
chmod 755 /usr/local/bin/pg_dump
"""
"""Stands for the real one, which this host may not have."""


def _take(server: str) -> str:
    return f"pg_dump crm | gzip > d.gz && {upload('d.gz', server)} && rm d.gz"


def _twin(draw: Draw) -> tuple[Step, ...]:
    count = draw.number(DESIGN_BYTES, 1000, DESIGN_BYTES)
    pack = f"cd /srv && pg_dump crm | head -c {count} | gzip > d.gz"
    return (Step(None, f"{pack} && {upload('d.gz', BACKUP)} && rm d.gz", host="db"),)


SCENARIO = Scenario(
    number=6,
    title="dump, compress, upload",
    people=(Person("dirk", ("db",)),),
    prepared=(Prepared("db", _DUMPER),),
    steps=(Step("dirk", f'ssh dirk@db "{_take(STRANGER)}"'),),
    twin_title="the nightly dump to the backup host, by root's cron",
    twin=_twin,
    truth=Truth(
        "dirk",
        ("db",),
        ("dump-upload", "http-upload", "upload-new-destination"),
        DESIGN_BYTES,
        STRANGER,
    ),
)
