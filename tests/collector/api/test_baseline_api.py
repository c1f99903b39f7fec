"""What is normal, over real HTTP: a fortnight of work before the story of the lake, and colleagues beside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from collector.lake import columns
from collector.organisation.known import Human, Known, NetworkLabel, Organisation
from evidence.kind import Actor, Body, Endpoint
from evidence.kinds.connection import Close, Report

from . import lake
from .live import Live, serve

DAY = 86_400 * 10**9
OLD = "198.51.100.40"
MORE = "203.0.113.77"
KNOWN = Known(
    Organisation(
        people=tuple(
            Human(name, role="dba", timezone="Asia/Tokyo", hours=(9, 18))
            for name in ("alice", "bob", "carl", "dora")
        ),
        networks=(NetworkLabel("10.0.0.0/8", use="own"),),
    )
)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with serve(tmp_path, known=KNOWN) as running:
        for day in range(1, 13):
            add(running.lake, [sent(1_000_000 + day, 500 + day), sent(7_000, 100 + day, "10.0.0.9")], day)
            for number, name in enumerate(("bob", "carl", "dora"), 1):
                add(running.lake, [sent(2_000_000, 1000 * number + day)], day, name)
        yield running


def sent(count: int, flow: int, to: str = OLD, name: str | None = None, tls: bool = False) -> Close:
    actor = Actor(pid=1003, start=103, exe="/usr/bin/rsync", uid=1000, auid=1000, session=lake.SESSION)
    remote = Endpoint(ip=to, port=443, name=name, named_by="tls" if tls else None)
    local = Endpoint(ip="192.0.2.10", port=40000)
    return Close(
        flow=flow, protocol="tcp", direction="out", local=local, remote=remote,
        bytes_out=count, bytes_in=10, duration=10**9, actor=actor,
    )  # fmt: skip


def add(to: lake.Lake, bodies: list[Body], days_before: int, person: str = "alice") -> None:
    """Add events of that many days before the story, stored under a name; only alice's are of her session."""
    made = lake.rows(bodies, first=1000 * days_before).to_pylist()
    who = {} if person == "alice" else {"person": person, "session": None, "how": "uid"}
    moved = dict.fromkeys(("time", "received"), lake.NOW - 50 * lake.SECOND - days_before * DAY)
    rows = [row | moved | who for row in made]
    to.add("events", pa.Table.from_pylist(rows, columns.schema("events")))


def ask(live: Live, **asked: Any) -> dict[str, Any]:
    answer = live.get("/v1/baseline", "vera", **asked)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_person_is_shown_by_days_with_peers_beside(live: Live) -> None:
    told = ask(live, person="alice")
    assert told["active_days"] == 13
    assert (told["sent"]["days"], told["sent"]["median"]) == (13, 1_000_007)
    assert told["sent"]["most"] == lake.UPLOADED
    assert told["sent"]["p95"] == lake.UPLOADED
    assert told["hours"]["clock"] == "Asia/Tokyo"
    assert told["hours"]["days"][16] == 13, "07:59 UTC"
    assert told["hours"]["told"] == [9, 18]
    assert [one["name"] for one in told["hosts"]] == [lake.HOST]
    by_name = {one["name"]: one for one in told["places"]}
    assert by_name[OLD]["out"]["days"] == 12
    assert by_name["10.0.0.9"]["use"] == "own"
    assert by_name["files.example"]["address"] == lake.DESTINATION
    assert (told["peers"]["same"], told["peers"]["people"], told["peers"]["active"]) == ("role dba", 3, 3)
    assert (told["peers"]["sent"]["days"], told["peers"]["sent"]["median"]) == (36, 2_000_000)


def test_a_pair_is_its_flows_only_and_not_by_a_name_the_client_claims(live: Live) -> None:
    add(live.lake, [sent(5, 9003, "203.0.113.66", OLD, tls=True)], 2)
    told = ask(live, person="alice", destination=OLD)
    assert (told["sent"]["days"], told["sent"]["most"]) == (12, 1_000_012)
    assert [one["name"] for one in told["programs"]] == ["/usr/bin/rsync"]
    assert [one["address"] for one in told["places"]] == [OLD]
    assert told["programs"][0]["events"] == 12
    whole = ask(live, person="alice")
    assert {"203.0.113.66", OLD} <= {one["name"] for one in whole["places"]}


def test_a_host_has_its_persons(live: Live) -> None:
    told = ask(live, host=lake.HOST)
    assert {one["name"]: one["days"] for one in told["persons"]}["bob"] == 12
    assert told["hours"]["clock"] == "UTC"
    assert told["sent"]["median"] > 7_000_000
    assert ask(live, host=lake.AGENT)["sent"] == told["sent"]


def test_an_alert_is_compared_with_the_days_before_its_own(live: Live) -> None:
    told = ask(live, alert=lake.ALERT[:8])
    assert told["active_days"] == 12
    assert told["sent"]["most"] == 1_000_012
    why = told["why"]
    assert (why["moved"], why["before"]["days"]) == (lake.UPLOADED, 12)
    assert why["z"] > 3.5
    assert why["peers"] == 3
    assert why["peers_z"] > 3.5
    assert "first_here" not in why
    assert "first_anywhere" not in why
    assert (why["hour"], why["hour_days"], why["within_hours"]) == (16, 12, True)
    assert (why["host"], why["host_days"]) == (lake.HOST, 12)


def test_who_used_the_destination_before_is_told(live: Live) -> None:
    add(live.lake, [sent(10, 9001, lake.DESTINATION)], 5, "bob")
    why = ask(live, alert=lake.ALERT[:8])["why"]
    assert "first_here" not in why
    assert (why["first_anywhere"], why["others"]) == (lake.NOW - 50 * lake.SECOND - 5 * DAY, 1)
    add(live.lake, [sent(10, 9002, lake.DESTINATION)], 4)
    why = ask(live, alert=lake.ALERT[:8])["why"]
    assert (why["first_here"], why["destination_days"]) == (lake.NOW - 50 * lake.SECOND - 4 * DAY, 1)


def test_a_flow_counts_once_however_often_it_was_reported(live: Live) -> None:
    whole = sent(900, 9004, MORE)
    fields = {
        name: getattr(whole, name) for name in whole.__struct_fields__ if name in Report.__struct_fields__
    }
    reports: list[Body] = [msgspec.structs.replace(Report(**fields), bytes_out=count) for count in (300, 600)]
    add(live.lake, [*reports, whole], 3)
    (place,) = [one for one in ask(live, person="alice")["places"] if one["name"] == MORE]
    assert (place["out"]["total"], place["out"]["days"]) == (900, 1)


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({}, 400, "one of alert, person and host"),
        ({"person": "alice", "host": "web-1"}, 400, "one of alert, person and host"),
        ({"host": "web-1", "destination": "x"}, 400, "needs a person"),
        ({"person": "nobody"}, 404, "'nobody'"),
        ({"alert": "f00"}, 404, "no alert"),
    ],
)
def test_what_cannot_be_answered_is_said(live: Live, asked: dict[str, Any], status: int, said: str) -> None:
    answer = live.get("/v1/baseline", **asked)
    assert answer.status_code == status
    assert said in answer.json()["message"]
