from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from collector.errors import CollectorError, QueryError
from collector.organisation.known import HostLabel, Known, Organisation
from collector.state_db import StateDb
from collector.verdicts.suppression import DAYS_LIMIT, Scope, Suppression, check, fits, hiding
from collector.verdicts.suppressions import Suppressions
from tests.collector.incidents.test_incidents import alert

DAY = 86_400 * 10**9
NOW = 1_800_000_000 * 10**9
KNOWN = Known(Organisation(hosts=(HostLabel("web*", ("front",)),)))
FOUND = alert("upload", "web1|203.0.113.9", destination="203.0.113.9:443")


def made(identity: str = "ab12", expires: int = NOW + DAY) -> Suppression:
    return Suppression(identity, "ann", "agreed backup", Scope(rule="upload"), NOW, expires)


@pytest.mark.parametrize(
    "scope",
    [
        Scope(rule="upload"),
        Scope(person="alice"),
        Scope(host="web?"),
        Scope(host="web1-id"),
        Scope(host="label:front"),
        Scope(destination="203.0.113.9"),
        Scope(destination="203.0.113.0/24"),
        Scope(entity="web1|*"),
        Scope(rule="upload", person="alice", host="web1"),
    ],
)
def test_a_scope_hides_what_fits_all_of_it(scope: Scope) -> None:
    assert fits(scope, FOUND, KNOWN)


@pytest.mark.parametrize(
    "scope",
    [
        Scope(rule="other"),
        Scope(person="bob"),
        Scope(host="db*"),
        Scope(host="label:back"),
        Scope(destination="198.51.100.0/24"),
        Scope(destination="203.0.113.99"),
        Scope(entity="web2|*"),
        Scope(rule="upload", person="bob"),
    ],
)
def test_a_scope_hides_nothing_else(scope: Scope) -> None:
    assert not fits(scope, FOUND, KNOWN)


def test_a_finding_without_person_or_destination_is_hidden_by_no_scope_of_them() -> None:
    bare = msgspec.structs.replace(FOUND, person=None, destination=None)
    assert not fits(Scope(person="alice"), bare, KNOWN)
    assert not fits(Scope(destination="0.0.0.0/0"), bare, KNOWN)
    named = msgspec.structs.replace(FOUND, destination="files.example")
    assert fits(Scope(destination="*.example"), named, KNOWN)


def test_it_ends_by_itself_or_when_somebody_ends_it() -> None:
    assert made().standing(NOW) == "active"
    assert made().standing(NOW + DAY) == "expired"
    assert msgspec.structs.replace(made(), ended=NOW).standing(NOW) == "ended"


@pytest.mark.parametrize(
    ("scope", "reason", "expires"),
    [
        (Scope(), "why", NOW + DAY),
        (Scope(rule="r"), " ", NOW + DAY),
        (Scope(rule="r"), "why", NOW),
        (Scope(rule="r"), "why", NOW + (DAYS_LIMIT + 1) * DAY),
        (Scope(destination="10.0.0.0/99"), "why", NOW + DAY),
    ],
)
def test_what_says_too_little_or_lasts_too_long_is_refused(scope: Scope, reason: str, expires: int) -> None:
    with pytest.raises(QueryError):
        check(scope, reason, expires, NOW)
    check(Scope(rule="r"), "why", NOW + DAY, NOW)


def test_they_are_kept_and_found_by_the_beginning_of_their_id(tmp_path: Path) -> None:
    db = StateDb(tmp_path / "state.db")
    db.create()
    kept = Suppressions(db)
    assert kept.rows() == []
    for one in (made("ab12"), made("ab99", NOW + 2 * DAY)):
        kept.add(one)
    assert kept.find("ab1") == made("ab12")
    for wrong in ("ab", "zz", ""):
        with pytest.raises(CollectorError):
            kept.find(wrong)
    assert [one.id for one in kept.active(NOW + DAY)] == ["ab99"]
    kept.end("ab99", "bob", NOW + 5)
    kept.end("ab99", "eve", NOW + 6)
    assert (kept.find("ab99").ended, kept.find("ab99").ended_by) == (NOW + 5, "bob")
    assert hiding(kept.active(NOW + 7), FOUND, KNOWN) == made("ab12")
