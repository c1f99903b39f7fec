"""The questions about alerts and the stories they make, as SQL over the views alerts and sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..alert import BY
from ..alerts import wording
from ..measures.baselines import DAY
from .conditions import Where
from .queries import Query, Span, select

_EVER = (1 << 63) - 1
_WEAK = "('inferred', 'uid')"
_INFERRED_BY = "json_extract_string(a.details, '$.inferred_by')"
_BY = f"json_extract_string(details, '$.{BY}')"
_IF_SURE = "json_extract_string(a.details, '$.if_sure')"
NEWEST = f"""(
    SELECT a.* REPLACE (
        CASE WHEN s.agent IS NOT NULL THEN {wording.sql("a.summary", "a", "s")} ELSE a.summary END AS summary,
        CASE WHEN s.agent IS NULL THEN a.severity
            WHEN s.how = 'inferred' AND a.severity IN ('high', 'critical') THEN 'medium'
            WHEN a.how = 'inferred' THEN {_IF_SURE} ELSE a.severity END AS severity,
        CASE WHEN s.agent IS NOT NULL THEN s.person ELSE a.person END AS person,
        CASE WHEN s.agent IS NOT NULL THEN s.how ELSE a.how END AS how,
        CASE WHEN s.agent IS NOT NULL THEN s.source ELSE a.person_source END AS person_source,
        CASE WHEN s.agent IS NOT NULL THEN s.fingerprint ELSE a.fingerprint END AS fingerprint,
        CASE WHEN s.agent IS NOT NULL THEN s.chain ELSE a.chain END AS chain
    )
    FROM (
        FROM alerts QUALIFY row_number()
            OVER (PARTITION BY rule, entity ORDER BY detected DESC, revision DESC) = 1
    ) a LEFT JOIN sessions s ON a.agent = s.agent AND a.boot = s.boot AND a.session = s.session
        AND s.person IS NOT NULL AND (
            a.how IN ('kernel', 'hop', 'key')
            OR (a.how = 'inferred' AND {_IF_SURE} IS NOT NULL AND s.how NOT IN {_WEAK}
                AND list_contains(s.evidence, {_INFERRED_BY}))
        )
)"""  # noqa: S608 - names of columns
"""SQL for the alerts that hold: the newest revision of each rule and entity, with whose session it is known
to be by now, in its sentence and severity too: what is only inferred is at most medium. What a job or a user
id shows is not the session's."""


_ROOT = """CASE WHEN person IS NULL THEN 'host|' || agent
    WHEN how = 'uid' THEN 'uid|' || agent || '|' || person ELSE 'person|' || person END"""
"""`incident_ids.root` as SQL."""
_ALERTING = "severity IN ('medium', 'high', 'critical')"
LIVE, STAGED = Where("staged IS NOT TRUE"), Where("staged IS TRUE")
"""Alerts, and what rules found that were only tried: it is in no story."""
_STORIES = f"WITH newest AS (SELECT *, {_ROOT} AS root FROM {NEWEST} WHERE {LIVE.sql}) "  # noqa: S608 - no value
_OF_ROOTS = "FROM newest WHERE root IN (SELECT root FROM newest WHERE {chosen}) AND time < ?"


def alerts(condition: Where, span: Span, limit: int) -> Query:
    """Return the newest revisions of alerts, those that fit, newest first."""
    return select(NEWEST, (condition, span.where()), "time DESC, id", limit, "*")


def alerts_after(condition: Where, detected: int, seen: str, limit: int) -> Query:
    """Return alerts, each revision, decided after the cursor (detected, seen), in the order of decision."""
    after = Where("(detected, id) > (?, ?)", (detected, seen))
    return select("alerts", (condition, after), "detected, id", limit, "*")


def newest_alert() -> Query:
    """Return where a follower starts: the last decision there is."""
    return Query("SELECT detected, id FROM alerts ORDER BY detected DESC, id DESC LIMIT 1")


def alert(prefix: str) -> Query:
    """Return up to two alerts whose id, or that of an earlier revision, begins with prefix."""
    where = Where("(rule, entity) IN (SELECT (rule, entity) FROM alerts WHERE starts_with(id, ?))", (prefix,))
    return select(NEWEST, (where,), "id", 2, "*")


def findings(ids: Sequence[str]) -> Query:
    """Return rule and entity of alerts by id."""
    return Query(
        "SELECT DISTINCT rule, entity FROM alerts WHERE id IN (SELECT unnest(?::VARCHAR[])) ORDER BY ALL",
        (list(ids),),
    )


def tried(rule: str, since: int) -> Query:
    """Return how many findings that would alert a rule gave while it was staged, from since (UTC ns) on."""
    where = f"rule = ? AND detected >= ? AND {STAGED.sql} AND {_ALERTING}"
    return Query(f"SELECT count(DISTINCT entity) AS findings FROM alerts WHERE {where}", (rule, since))  # noqa: S608 - no value


def labelled(span: Span, labels: Mapping[tuple[str, str], str]) -> Query:
    """Return by rule and label, staged or not, how many findings of the span triage gave that label."""
    where = span.where()
    columns = ([rule for rule, _ in labels], [entity for _, entity in labels], list(labels.values()))
    return Query(
        "WITH given AS (SELECT unnest(?::VARCHAR[]) AS rule, unnest(?::VARCHAR[]) AS entity, "  # noqa: S608 - no value
        "unnest(?::VARCHAR[]) AS label) SELECT rule, coalesce(staged, false) AS staged, label, "
        f"count(*) AS findings FROM {NEWEST} JOIN given USING (rule, entity) WHERE {where.sql} GROUP BY ALL",
        (*columns, *where.parameters),
    )


def digest(span: Span) -> Query:
    """Return by rule what was found in the span: staged or not, how many, of how many persons and hosts."""
    where = span.where()
    return Query(
        "SELECT rule, coalesce(staged, false) AS staged, count(*) AS findings, "  # noqa: S608 - no value
        f"count(*) FILTER ({_ALERTING}) AS alerts, count(DISTINCT person) AS persons, "
        "count(DISTINCT agent) AS hosts, max(time) AS last, "
        f"arg_max(summary, time) AS example FROM {NEWEST} WHERE {where.sql} "
        "GROUP BY ALL ORDER BY alerts DESC, rule",
        where.parameters,
    )


def past(begin: int, end: int, limit: int) -> Query:
    """Return by rule, program, person and day (of UTC) the most bytes live rules told, from begin to end."""
    return Query(
        f"SELECT rule, coalesce({_BY}, '') AS program, person, time // {DAY} AS day, "  # noqa: S608 - no value
        "max(coalesce(bytes_out, 0)) AS bytes "
        f"FROM {NEWEST} WHERE person IS NOT NULL AND {LIVE.sql} AND time >= ? AND time < ? "
        "GROUP BY ALL ORDER BY day DESC, rule, program, person LIMIT ?",
        (begin, end, limit),
    )


def these(found: Sequence[tuple[str, str]]) -> Where:
    """Return the condition for findings by rule and entity."""
    marks = ", ".join("(?, ?)" for _ in found) or "(NULL, NULL)"
    return Where(f"(rule, entity) IN ({marks})", tuple(value for one in found for value in one))


def of_stories(chosen: Where, until: int | None, limit: int) -> Query:
    """Return all alerts of those whose the chosen ones are, before until (UTC ns), the newest first."""
    return _stories("SELECT * EXCLUDE (root) {alerts} ORDER BY time DESC, id LIMIT ?", chosen, until, limit)


def sessions_of_stories(chosen: Where, until: int | None) -> Query:
    """Return the sessions that those alerts name."""
    named = "SELECT (agent, session) {alerts} AND session IS NOT NULL"
    wanted = f"SELECT * FROM sessions WHERE (agent, session) IN ({named}) ORDER BY revised"  # noqa: S608 - no value
    return _stories(wanted, chosen, until)


def _stories(wanted: str, chosen: Where, until: int | None, *more: int) -> Query:
    alerts = f"FROM newest WHERE root IN (SELECT root FROM newest WHERE {chosen.sql}) AND time < ?"  # noqa: S608 - no value
    return Query(_STORIES + wanted.format(alerts=alerts), (*chosen.parameters, until or _EVER, *more))


def of_incident(prefix: str) -> Query:
    """Return the findings that lend, or lent, an id of this beginning to their story, in their newest form.

    A finding does so under every name that its person had; see `incident_ids`.
    """
    return Query(
        f"""WITH told AS (
            SELECT rule, entity, agent, person, how FROM alerts
            UNION ALL SELECT a.rule, a.entity, a.agent, s.person, s.how
            FROM alerts a JOIN session_revisions s
            ON a.agent = s.agent AND a.boot = s.boot AND a.session = s.session WHERE s.person IS NOT NULL
        )
        SELECT id, rule, entity FROM {NEWEST} WHERE (rule, entity) IN (
            SELECT (rule, entity) FROM told
            WHERE starts_with(sha256({_ROOT} || '|' || rule || '|' || entity), ?)
        ) ORDER BY ALL""",  # noqa: S608 - no value
        (prefix,),
    )
