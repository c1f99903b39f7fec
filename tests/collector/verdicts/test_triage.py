"""Triage: the newest word holds, acts say it all, and the loss of the database loses nothing."""

from __future__ import annotations

import time
from contextlib import closing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import provision, recorded
from collector.state_db import StateDb
from collector.verdicts import triage
from collector.verdicts.triage import LABELS, STATES, Change, Standing
from collector.verdicts.triages import Triages
from evidence.event import stamp
from evidence.kinds.collector import Act
from tests.collector.station import Station

ON = (("upload", "web1|203.0.113.9"), ("off-hours", "alice|12"))


def made(identity: str, at: int, **said: str) -> Change:
    return msgspec.convert({"id": identity, "author": "ann", "time": at, "on": ON, **said}, Change)


def test_the_newest_word_holds_and_what_is_opened_again_has_no_label() -> None:
    changes = [
        made("1", 1, state="acknowledged", assignee="ann"),
        made("2", 2, state="closed", label="benign"),
        made("3", 3, note="agreed with the DBA"),
    ]
    assert triage.standing(changes) == Standing("closed", "benign", "ann", 3)
    again = triage.standing([*changes, made("4", 4, state="open")])
    assert (again.state, again.label, again.assignee) == ("open", None, "ann")
    assert triage.standing([]) == Standing()


@given(
    st.sampled_from([None, *STATES]),
    st.sampled_from([None, *LABELS]),
    st.none() | st.text(max_size=20),
    st.none() | st.text(max_size=20),
)
def test_an_act_says_all_of_a_change(
    state: triage.State | None, label: triage.Label | None, assignee: str | None, note: str | None
) -> None:
    one = Change("ab", "ann", 5, ON, state, label, assignee, note)
    assert triage.change(stamp(triage.act(one), seq=1, time=5, mono=1)) == one


@pytest.mark.parametrize(
    "act",
    [
        Act(user="eve", verb="triage", object="x"),
        Act(user="eve", verb=triage.VERB),
        Act(user="eve", verb=triage.VERB, object="x", allowed=False),
    ],
)
def test_another_act_changes_nothing(act: Act) -> None:
    assert triage.change(stamp(act, seq=1, time=5, mono=1)) is None


@pytest.mark.parametrize("detail", [{"on": "x"}, {"on": "[]", "state": "gone"}, {"on": "[[1]]"}])
def test_an_act_that_says_nothing_that_could_be_meant_is_refused(detail: dict[str, str]) -> None:
    act = Act(user="eve", verb=triage.VERB, object="x", detail=detail)
    with pytest.raises(ValueError, match=r"\w"):
        triage.change(stamp(act, seq=1, time=5, mono=1))


def test_the_loss_of_the_database_loses_no_word(station: Station) -> None:
    with closing(station.keeper()) as keeper:
        for one in (made("1", 1, state="closed", label="false"), made("2", 2, note="see ticket 7")):
            keeper.record(triage.act(one))
        keeper.record(Act(user="eve", verb=triage.VERB, object="3", detail={"on": "nonsense"}))
    for path in station.paths.root.glob("state.db*"):
        path.unlink()
    provision.provision(station.settings, station.paths, time.time_ns())
    table = Triages(StateDb(station.paths.state_db))
    assert table.standings() == {}
    for _ in range(2):
        recorded.bring(station.paths.ledger, table, triage.change)
        assert {finding: one.label for finding, one in table.standings().items()} == dict.fromkeys(
            ON, "false"
        )
    assert [one.note for one in table.history(ON[0])] == [None, "see ticket 7"]
    assert set(table.standings("upload")) == {ON[0]}
