"""Which stored events a rule is shown, as a condition in SQL that passes all of them and few others."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from evidence.kinds.connection import Close, Open, Report
from evidence.kinds.process import Exec

from ..rule import Rule, Site

_CONNECTIONS = (Open, Close, Report)
_UNUSUAL = ('"elevated":true', '"memory_only":', '"environment":')
"""What the body of an unusual exec holds, one of them; others may hold it too."""
_BASE = "regexp_extract(exe, '[^/]*$')"
_REMOTE = "CASE WHEN direction = 'in' THEN src_ip ELSE dst_ip END"


def condition(connection: duckdb.DuckDBPyConnection, rule: Rule, site: Site) -> str:
    """Return the condition on the view events; what fails it, the rule is not shown."""
    tags = [str(kind.__struct_config__.tag) for kind in rule.kinds]
    plain = [tag for kind, tag in zip(rule.kinds, tags, strict=True) if kind not in (Exec, *_CONNECTIONS)]
    parts = [f"kind IN ({_listed(plain)})"] if plain else []
    if Exec in rule.kinds:
        parts.append(f"kind = 'process.exec' AND ({_execs(rule, site)})")
    linked = [tag for kind, tag in zip(rule.kinds, tags, strict=True) if kind in _CONNECTIONS]
    if linked:
        parts.append(f"kind IN ({_listed(linked)}) AND ({_linked(connection, rule, site)})")
    return " OR ".join(f"({part})" for part in parts) or "false"


def _execs(rule: Rule, site: Site) -> str:
    names = rule.programs(site)
    if names is None:
        return "true"
    parts = ["exe IS NULL", *([f"{_BASE} IN ({_listed(sorted(names))})"] if names else [])]
    parts += [f"contains(body, {_quoted(one)})" for one in _UNUSUAL] if rule.unusual else []
    return " OR ".join(parts)


def _linked(connection: duckdb.DuckDBPyConnection, rule: Rule, site: Site) -> str:
    wanted = rule.connections(site)
    parts = ["true"]
    if wanted.direction is not None:
        parts.append(f"direction = {_quoted(wanted.direction)}")
    if wanted.protocol is not None:
        parts.append(f"protocol = {_quoted(wanted.protocol)}")
    if wanted.programs is not None:
        named = f"{_BASE} IN ({_listed(sorted(wanted.programs))})" if wanted.programs else "false"
        parts.append(f"(exe IS NULL OR {named})")
    if wanted.unknown:
        _list_known(connection, site)
        parts.append(f"coalesce({_REMOTE} NOT IN (SELECT ip FROM known_ends), true)")  # noqa: S608 - no value
    return " AND ".join(parts)


def _list_known(connection: duckdb.DuckDBPyConnection, site: Site) -> None:
    """Put the addresses that the operator knows into a table of the connection's own."""
    ends = connection.execute(f"SELECT DISTINCT {_REMOTE} FROM events WHERE direction IS NOT NULL").fetchall()  # noqa: S608 - no value
    known = [[ip] for (ip,) in ends if ip is not None and site.is_known(ip)]
    connection.execute("CREATE OR REPLACE TEMP TABLE known_ends (ip VARCHAR)")
    if known:
        connection.executemany("INSERT INTO known_ends VALUES (?)", known)


def _listed(values: Sequence[str]) -> str:
    return ", ".join(map(_quoted, values))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
