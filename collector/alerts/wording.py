"""A finding's sentence as it reads by now; stored is whom the session was known to be of then. Pure.

Whose a session is may be learnt later. Readers then show its person by the newest revision, and the sentence
with that person in place of the former.
"""

from __future__ import annotations

from ..measures.session_work import describe
from ..record import Person


def resaid(sentence: str, former: Person, now: Person) -> str:
    """Return a sentence with now where it told of former: described, else by name as its first word."""
    described, start = describe(former), f"{former.name} "
    if described in sentence:
        return sentence.replace(described, describe(now))
    return f"{now.name} {sentence.removeprefix(start)}" if sentence.startswith(start) else sentence


def sql(sentence: str, former: str, now: str) -> str:
    """Return `resaid` as SQL: of a column, and of the tables whose columns tell the two persons."""
    told = _described(former, "person_source")
    return (
        f"CASE WHEN contains({sentence}, {told}) "
        f"THEN replace({sentence}, {told}, {_described(now, 'source')}) "
        f"WHEN starts_with({sentence}, {former}.person || ' ') "
        f"THEN {now}.person || substr({sentence}, length({former}.person) + 1) ELSE {sentence} END"
    )


def _described(table: str, source: str) -> str:
    """Return `describe` as SQL; an empty text counts as none there."""
    return (
        f"concat({table}.person, ' (how: ', {table}.how, ', audit session ' || {table}.session, "
        f"', key ' || nullif({table}.fingerprint, ''), ', from ' || nullif({table}.{source}, ''), ')')"
    )
