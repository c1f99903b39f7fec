"""The API over real HTTP: what is asked, who may, what is recorded, and how it refuses."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from collector.api.endpoints.login import Done
from collector.api.errors import ApiError
from collector.api.routes import RUNNING_LIMIT, WAITING_LIMIT, Gate
from collector.settings import Console

from . import lake
from .live import PASSWORD, Live, serve


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with serve(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture(scope="module")
def live_of_two_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with serve(tmp_path_factory.mktemp("two")) as running:
        running.lake.add("events", lake.reached())
        yield running


def test_a_password_gives_a_token_that_works_until_logout(live: Live) -> None:
    reply = live.post("/v1/login", {"user": "ann", "password": PASSWORD}, user=None)
    assert reply.status_code == 200
    assert reply.json()["role"] == "analyst"
    header = {"Authorization": f"Bearer {reply.json()['token']}"}
    assert requests.get(live.url + "/v1/status", headers=header, timeout=30).status_code == 200
    assert requests.post(live.url + "/v1/logout", headers=header, timeout=30).status_code == 200
    assert requests.get(live.url + "/v1/status", headers=header, timeout=30).status_code == 401


def test_logins_are_acts_the_refused_ones_too_and_no_password_is_kept(live: Live) -> None:
    live.post("/v1/login", {"user": "adam", "password": PASSWORD}, user=None)
    refused = live.post("/v1/login", {"user": "adam", "password": "hunter2-hunter2"}, user=None)
    assert (refused.status_code, refused.json()["code"]) == (401, "wrong_credentials")
    good, bad = [act for act in live.acts.kept if act.user == "adam"][-2:]
    assert (good.verb, good.allowed, bad.allowed) == ("login", True, False)
    assert bad.source is not None
    assert bad.source.ip == "127.0.0.1"
    assert "hunter2" not in str(live.acts.kept)
    assert PASSWORD not in str(live.acts.kept)


def test_guessing_a_password_is_slowed_down(live: Live) -> None:
    replies = [
        live.post("/v1/login", {"user": "nobody", "password": f"guess number {at}"}, user=None)
        for at in range(7)
    ]
    assert [reply.status_code for reply in replies] == [401] * 5 + [429] * 2
    assert int(replies[-1].headers["Retry-After"]) > 0


def test_alerts_are_listed_and_filtered(live: Live) -> None:
    rows = live.get("/v1/alerts").json()["rows"]
    assert [row["id"] for row in rows] == [lake.ALERT]
    assert rows[0]["details"] == {"program": "curl"}
    assert live.get("/v1/alerts", severity="critical").json()["rows"] == []
    assert len(live.get("/v1/alerts", severity="low", person="alice", host="web-1").json()["rows"]) == 1
    assert live.get("/v1/alerts", query="person:bob").json()["rows"] == []


def test_the_newest_revision_stands_for_an_alert_and_low_ones_are_hidden(tmp_path: Path) -> None:
    with serve(tmp_path) as own:
        first, low = lake.alert_row(1, severity="low"), lake.alert_row(2, severity="low")
        newer = lake.alert_row(3, lake.NOW - 30 * lake.SECOND) | {"entity": first["entity"], "revision": 1}
        own.lake.add("alerts", [first, low, newer])

        def listed(**asked: str) -> set[str]:
            return {row["id"] for row in own.get("/v1/alerts", **asked).json()["rows"]}

        assert listed() == {lake.ALERT, newer["id"]}
        assert listed(all="true") == {lake.ALERT, newer["id"], low["id"]}
        assert listed(query="severity:low") == {low["id"]}
        assert listed(query="NOT (severity:high OR host:x)") == {low["id"]}
        assert listed(since="0.", all="true") == {lake.ALERT, first["id"], low["id"], newer["id"]}
        assert own.get(f"/v1/alerts/{first['id']}").json()["alert"]["id"] == newer["id"]


def test_an_alert_comes_with_its_events_and_their_batches(live: Live) -> None:
    story = live.get(f"/v1/alerts/{lake.ALERT[:8]}").json()
    assert [event["kind"] for event in story["events"]] == [
        "login.accepted",
        "process.exec",
        "connection.close",
    ]
    assert [batch["ledger_index"] for batch in story["batches"]] == [4, 5]
    assert story["missing"] == []
    assert live.get("/v1/alerts/ffff").json()["field"] == "id"


def test_search_finds_by_field_and_word_and_time(live: Live) -> None:
    found = live.get("/v1/search", query="user:alice AND process.cmd_line:*tgz*").json()["rows"]
    assert [row["cmd_line"].split()[0] for row in found] == ["curl", "tar"]
    assert found[0]["event"] == f"{lake.AGENT}:1:8"
    assert found[0]["body"]["argv"][0] == "curl"
    assert len(live.get("/v1/search", query="bytes_out:>10MB").json()["rows"]) == 1
    assert live.get("/v1/search", query="s.tgz", to="2020-01-01").json()["rows"] == []
    limited = live.get("/v1/search", limit=2).json()
    assert (len(limited["rows"]), limited["truncated"]) == (2, True)


def test_sql_answers_in_order_of_columns(live: Live) -> None:
    sql = "SELECT dst_ip, sum(bytes_out)::BIGINT AS bytes FROM events WHERE bytes_out > 0 GROUP BY 1"
    reply = live.post("/v1/sql", {"sql": sql}).json()
    assert reply["columns"] == ["dst_ip", "bytes"]
    assert reply["rows"] == [[lake.DESTINATION, lake.UPLOADED]]
    assert live.acts.kept[-1].detail == {"sql": sql}


def test_a_timeline_is_in_order_and_leaves_out_the_noise(live: Live) -> None:
    rows = live.get("/v1/timeline", person="alice").json()["rows"]
    assert [row["kind"] for row in rows][:3] == ["login.accepted", "process.exec", "process.exec"]
    assert "process.exit" not in {row["kind"] for row in rows}
    assert "process.exit" in {
        row["kind"] for row in live.get("/v1/timeline", person="alice", all="true").json()["rows"]
    }
    assert len(live.get("/v1/timeline", host="web-1").json()["rows"]) > len(rows)


def test_a_persons_timeline_has_what_was_stored_under_another_name(live_of_two_hosts: Live) -> None:
    rows = live_of_two_hosts.get("/v1/timeline", person="alice", all="true").json()["rows"]
    reached = [row for row in rows if row["host"] == "app-1"]
    assert [row["kind"] for row in reached] == ["login.accepted", "process.exec"]
    assert {(row["person"], row["how"], row["person_source"]) for row in reached} == {
        ("alice", "hop", lake.SOURCE)
    }
    assert reached[0]["chain"][0]["host"] == "web-1"
    assert live_of_two_hosts.get("/v1/timeline", person="deploy").json()["rows"] == []


def test_a_persons_sessions_are_of_all_hosts_each_in_its_newest_revision(live_of_two_hosts: Live) -> None:
    person = live_of_two_hosts.get("/v1/person", name="alice").json()
    assert person["hosts"] == ["app-1", "web-1"]
    assert [(one["host"], one["user"], one["how"]) for one in person["sessions"]] == [
        ("web-1", "alice", "kernel"),
        ("app-1", "deploy", "hop"),
    ]
    assert (person["bytes_out"], person["bytes_in"]) == (lake.UPLOADED + 6000, 4331)
    assert person["sessions"][1]["chain"][0]["because"] == [f"{lake.AGENT}:1:9", f"{lake.NEXT}:1:1"]
    assert live_of_two_hosts.get("/v1/person", name="alice", limit=1).json()["truncated"] is True
    assert live_of_two_hosts.get("/v1/person", name="deploy").status_code == 404
    assert live_of_two_hosts.get("/v1/person", name="alice", to="2020-01-01").status_code == 404
    ended = "2027-01-15T07:59:45Z"
    later = live_of_two_hosts.get("/v1/person", **{"name": "alice", "from": ended}).json()
    assert [one["host"] for one in later["sessions"]] == ["app-1"], "the other was over by then"


def test_a_session_says_what_led_to_it(live_of_two_hosts: Live) -> None:
    session = live_of_two_hosts.get("/v1/session", agent="app-1", session=21).json()
    assert {event["person"] for event in session["events"]} == {"alice"}
    assert session["known"][0]["chain"][0]["user"] == "alice"


def test_a_session_has_its_connections_with_bytes(live: Live) -> None:
    session = live.get("/v1/session", agent="web-1", session=lake.SESSION).json()
    assert session["agent"] == lake.AGENT
    assert session["flows"][0]["bytes_out"] == lake.UPLOADED
    assert live.get("/v1/session", agent="web-1", session=99).status_code == 404


def test_a_tree_reaches_from_sshd_to_the_upload(live: Live) -> None:
    tree = live.get("/v1/tree", event=f"{lake.AGENT}:1:10").json()
    path = []
    node: dict[str, Any] | None = tree["root"]
    while node is not None:
        path.append(node["exe"].rsplit("/", 1)[-1])
        node = next(iter(node.get("children", [])), None)
    assert path == ["sshd", "sshd", "bash", "curl"]
    below = live.get("/v1/tree", agent="web-1", pid=1001).json()["root"]["children"][0]["children"][0]
    assert [child["pid"] for child in below["children"]] == [1002, 1003, 1004, 1005]
    assert below["children"][1]["flows"][0]["bytes_out"] == lake.UPLOADED


def test_status_names_agents_their_chains_and_who_asks(live: Live) -> None:
    status = live.get("/v1/status", user="vera").json()
    assert (status["user"], status["role"]) == ("vera", "viewer")
    (agent,) = status["agents"]
    assert (agent["host"], agent["state"]) == ("web-1", "live")
    assert agent["lanes"][0]["seq"] == 2
    assert status["store"]["events"] == len(lake.story())


@pytest.mark.parametrize("path", ["/v1/export", "/v1/bundle"])
def test_a_viewer_may_not_export_and_the_attempt_is_recorded(live: Live, path: str) -> None:
    refused = live.get(path, user="vera", **({"format": "csv"} if "export" in path else {"alert": "c0"}))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert live.acts.kept[-1].user == "vera"
    assert live.acts.kept[-1].allowed is False


def test_every_query_is_an_act_with_its_exact_words(live: Live) -> None:
    live.get("/v1/search", query="user:alice  scp", **{"from": "-1h"})
    act = live.acts.kept[-1]
    assert (act.user, act.verb, act.allowed) == ("ann", "search", True)
    assert act.detail is not None
    assert act.detail["query"] == "user:alice  scp"


def test_what_cannot_be_recorded_is_not_answered(live: Live) -> None:
    live.acts.broken = True
    try:
        replies = [live.get("/v1/search"), live.post("/v1/sql", {"sql": "SELECT 1"})]
        login = live.post("/v1/login", {"user": "vera", "password": PASSWORD}, user=None)
    finally:
        live.acts.broken = False
    assert [reply.status_code for reply in [*replies, login]] == [503] * 3
    assert "rows" not in replies[0].json()
    assert "token" not in login.json()


@pytest.mark.parametrize(
    ("path", "parameters", "field"),
    [
        ("/v1/alerts", {"limit": "0"}, "limit"),
        ("/v1/alerts", {"limit": "10001"}, "limit"),
        ("/v1/alerts", {"limit": "-1"}, "limit"),
        ("/v1/alerts", {"severity": "urgent"}, "severity"),
        ("/v1/alerts", {"since": "x"}, "since"),
        ("/v1/alerts", {"wait": "3600"}, "wait"),
        ("/v1/alerts", {"sevrity": "low"}, "sevrity"),
        ("/v1/alerts", {"person": ["a", "b"]}, "person"),
        ("/v1/search", {"from": "yesterday"}, "from"),
        ("/v1/search", {"query": "x" * 5000}, "query"),
        ("/v1/timeline", {}, "person"),
        ("/v1/session", {"agent": "web-1"}, "session"),
        ("/v1/session", {"agent": "nowhere", "session": 1}, "agent"),
        ("/v1/export", {"format": "xlsx"}, "format"),
        ("/v1/bundle", {}, "alert"),
    ],
)
def test_wrong_parameters_are_named(live: Live, path: str, parameters: dict[str, Any], field: str) -> None:
    reply = live.get(path, **parameters)
    assert reply.status_code in (400, 404)
    assert reply.json()["field"] == field
    assert field in reply.json()["message"]


@pytest.mark.parametrize("query", ["user:", "(a", "nofield:1", '"open', "bytes_out:many"])
def test_wrong_queries_name_the_position(live: Live, query: str) -> None:
    reply = live.get("/v1/search", query=query)
    assert (reply.status_code, reply.json()["code"]) == (400, "bad_query")
    assert "position" in reply.json()["message"]


def test_bodies_are_bounded_and_checked(live: Live) -> None:
    assert live.post("/v1/sql", {"sql": "x" * 70_000}).status_code == 413
    assert live.post("/v1/sql", {"sql": 5}).json()["field"] == "sql"
    assert live.post("/v1/sql", {"sql": "SELECT 1", "limit": 5}).status_code == 400
    assert live.post("/v1/sql", [1]).status_code == 400


@pytest.mark.parametrize("token", ["", "vdu1.0000000000000000." + "A" * 43, "x" * 5000])
def test_without_a_valid_token_nothing_is_told(live: Live, token: str) -> None:
    reply = requests.get(live.url + "/v1/alerts", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert (reply.status_code, reply.json()["code"]) == (401, "not_logged_in")


def test_a_follower_gets_a_new_alert_while_it_waits(live: Live) -> None:
    cursor = live.get("/v1/alerts").json()["cursor"]
    assert live.get("/v1/alerts", since=cursor, wait=0).json()["rows"] == []
    live.lake.add("alerts", [lake.alert_row(1, lake.NOW, "critical")])
    followed = live.get("/v1/alerts", since=cursor, wait=20).json()
    assert [row["severity"] for row in followed["rows"]] == ["critical"]
    assert live.get("/v1/alerts", since=followed["cursor"], wait=0).json()["rows"] == []


def test_a_hung_statement_leaves_the_api_responsive(tmp_path: Path) -> None:
    slow = "SELECT count(*) FROM range(3000000) a, range(3000000) b WHERE a.range * b.range % 7 = 3"
    with serve(tmp_path, Console(query_seconds=4.0)) as running, ThreadPoolExecutor() as pool:
        hung = [pool.submit(running.post, "/v1/sql", {"sql": slow}) for _ in range(3)]
        while len([act for act in running.acts.kept if act.verb == "sql"]) < 3:
            time.sleep(0.02)
        assert running.get("/v1/alerts").status_code == 200
        assert not any(each.done() for each in hung)
        for reply in [each.result() for each in hung]:
            assert (reply.status_code, reply.json()["code"]) == (400, "bad_query")
            assert "stopped after 4 s" in reply.json()["message"]


def test_too_many_queries_at_once_are_told_to_come_back() -> None:
    released = threading.Event()

    def work() -> Done:
        return Done(released.wait())

    async def crowd() -> list[object]:
        gate = Gate()
        admitted = [asyncio.create_task(gate.run(work)) for _ in range(RUNNING_LIMIT + WAITING_LIMIT)]
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as refused:
            await gate.run(work)
        assert (refused.value.status, refused.value.problem.retry_after) == (503, 2)
        released.set()
        return [await each for each in admitted]

    assert asyncio.run(crowd()) == [Done()] * (RUNNING_LIMIT + WAITING_LIMIT)


def test_a_store_that_is_not_there_yet_is_named(tmp_path: Path) -> None:
    with serve(tmp_path) as running:
        running.lake.snapshot.unlink()
        reply = running.get("/v1/alerts")
    assert (reply.status_code, reply.json()["code"]) == (503, "no_store")
