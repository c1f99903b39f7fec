"""Suppressions outlive the database: the acts in the ledger say what they were."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

from collector import provision, recorded
from collector.ledger_access.keeper import Keeper
from collector.state_db import StateDb
from collector.verdicts.recorded_suppressions import ADD, END, change, detail, suppressions
from collector.verdicts.suppression import Scope, Suppression
from collector.verdicts.suppressions import Suppressions
from evidence.event import stamp
from evidence.kinds.collector import Act
from tests.collector.station import Station

DAY = 86_400 * 10**9


def made(identity: str, expires: int) -> Suppression:
    scope = Scope(rule="upload", destination="203.0.113.0/24")
    return Suppression(identity, "ann", "agreed backup", scope, 0, expires)


def added(keeper: Keeper, one: Suppression) -> None:
    keeper.record(Act(user=one.author, verb=ADD, object=one.id, detail=detail(one)))


def lost(station: Station) -> None:
    """Lose the database, and set up a new one."""
    for path in station.paths.root.glob("state.db*"):
        path.unlink()
    provision.provision(station.settings, station.paths, time.time_ns())


def test_the_loss_of_the_database_loses_no_suppression(station: Station) -> None:
    expires = time.time_ns() + DAY
    with closing(station.keeper()) as keeper:
        added(keeper, made("ab12", expires))
        added(keeper, made("cd34", expires))
        keeper.record(Act(user="bob", verb="query", object="suppress.add"))
        keeper.record(Act(user="bob", verb=END, object="cd34"))
        keeper.record(Act(user="eve", verb=ADD, object="ef56", detail={"reason": "x"}, allowed=False))
    before = suppressions(station.paths).rows()
    lost(station)
    assert Suppressions(StateDb(station.paths.state_db)).rows() == []
    after = suppressions(station.paths).rows()
    assert after == before
    first, second = sorted(after, key=lambda one: one.id)
    assert (first.id, first.author, first.reason, first.expires) == ("ab12", "ann", "agreed backup", expires)
    assert first.scope == Scope(rule="upload", destination="203.0.113.0/24")
    assert (first.standing(time.time_ns()), second.standing(time.time_ns())) == ("active", "ended")
    assert second.ended_by == "bob"


def test_what_is_known_stays_and_only_new_entries_are_read(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Suppressions(StateDb(station.paths.state_db))
    with closing(station.keeper()) as keeper:
        added(keeper, made("ab12", 10**18))
        known.add(made("ab12", 10**18))
        size = keeper.ledger.size
    assert suppressions(station.paths).rows() == [made("ab12", 10**18)]
    assert known.position() == size
    monkeypatch.setattr(recorded, "Reading", None)  # a second start opens no act again
    assert suppressions(station.paths).rows() == [made("ab12", 10**18)]


def test_an_act_that_was_recorded_and_never_stored_takes_effect(station: Station) -> None:
    suppressions(station.paths)
    with closing(station.keeper()) as keeper:
        added(keeper, made("ab12", 10**18))
    assert [one.id for one in suppressions(station.paths).rows()] == ["ab12"]


def test_other_acts_change_nothing_and_a_broken_one_hides_nothing() -> None:
    def act(**fields: object) -> Act:
        values: dict[str, object] = {"user": "ann", "verb": ADD, "object": "ab12", "detail": {"reason": "x"}}
        return Act(**{**values, **fields})  # type: ignore[arg-type]

    def of(body: Act) -> object:
        return change(stamp(body, seq=1, time=5, mono=5))

    assert of(act(verb="login")) is None
    assert of(act(verb=END, allowed=False)) is None
    for wrong in (act(), act(detail={"reason": "x", "expires": "soon"}), act(detail=None)):
        with pytest.raises((KeyError, ValueError)):
            of(wrong)
