"""Incidents and suppressions over real HTTP: stories from the lake, hidden and shown again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.incidents import incident_ids, stories
from evidence import bundle

from . import lake
from .live import Live, serve


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with serve(tmp_path) as running:
        yield running


def test_an_incident_tells_who_where_and_how_much(live: Live) -> None:
    (incident,) = live.get("/v1/incidents").json()["rows"]
    assert (incident["person"], incident["hosts"], incident["how"]) == ("alice", [lake.HOST], ["kernel"])
    assert incident["moved"] == [
        {"destination": lake.DESTINATION, "bytes_out": lake.UPLOADED, "bytes_in": 4321}
    ]
    assert f"12.3 MB to {lake.DESTINATION} left." in incident["summary"]
    assert live.get("/v1/incidents", person="bob").json()["rows"] == []
    assert live.get("/v1/incidents", severity="critical").json()["rows"] == []
    assert live.get("/v1/incidents", to="2020-01-01").json()["rows"] == []


def test_what_is_found_seldom_comes_first_if_that_is_asked_for(live: Live) -> None:
    hour = 3600 * 10**9
    often = [
        lake.alert_row(300 + n)
        | {"time": lake.NOW - n * 24 * hour, "person": f"person{n % 9}", "rule": "often", "boot": "b0"}
        for n in range(1, 60)
    ]
    fresh = lake.alert_row(400) | {"time": lake.NOW, "person": "person1", "rule": "often", "boot": "b0"}
    live.lake.add("alerts", [*often, fresh])
    asked = {"from": "12h"}
    newest, older = live.get("/v1/incidents", **asked).json()["rows"]
    assert (newest["person"], older["person"]) == ("person1", "alice")
    first, second = live.get("/v1/incidents", **asked, order="surprise").json()["rows"]
    assert (first["person"], second["person"]) == ("alice", "person1")
    assert first["surprise"] > second["surprise"] > 0
    assert second["unusual"][0]["rule"] == "often"
    assert second["unusual"][0]["own"] + second["unusual"][0]["others"] == 30
    assert live.get("/v1/incidents", order="luck").status_code == 400
    live.post(f"/v1/triage/{first['id']}", {"state": "acknowledged"})
    first, second = live.get("/v1/incidents", **asked, order="surprise").json()["rows"]
    assert (first["person"], second["person"]) == ("person1", "alice"), "what was read gives way"
    assert second["surprise"] == 0


def test_its_id_and_that_of_its_alerts_lead_to_it(live: Live) -> None:
    (incident,) = live.get("/v1/incidents").json()["rows"]
    for asked in (incident["id"], incident["id"][:6], lake.ALERT, lake.ALERT[:6]):
        told = live.get(f"/v1/incidents/{asked}").json()
        assert told["incident"]["id"] == incident["id"]
        assert {row["event"] for row in told["events"]} == set(told["incident"]["evidence"])
        assert (len(told["batches"]), told["missing"]) == (2, [])
    assert live.get("/v1/incidents/ffff").status_code == 404
    assert live.get(f"/v1/alerts/{lake.ALERT}").json()["incident"] == incident["id"]


def test_a_person_learnt_after_the_alert_owns_it(live: Live) -> None:
    hop = '[{"agent":"b","host":"bastion","boot":"x","session":3,"user":"carol","how":"kernel"}]'
    place = {"agent": lake.AGENT, "boot": lake.BOOT, "session": lake.SESSION, "host": lake.HOST}
    known = {"user": "alice", "person": "carol", "how": "hop", "source": "192.0.2.1", "chain": hop}
    live.lake.add("alerts", [lake.alert_row(5, lake.NOW) | {"boot": lake.BOOT, "rule": "other"}])
    live.lake.add("sessions", [place | known | {"revised": lake.NOW, "evidence": ["u1"]}])
    (row,) = live.get("/v1/alerts", person="carol").json()["rows"]
    assert (row["how"], row["person_source"], row["chain"][0]["host"]) == ("hop", "192.0.2.1", "bastion")
    (incident,) = live.get("/v1/incidents", person="carol").json()["rows"]
    assert incident["hosts"] == ["bastion", lake.HOST]
    assert incident["accounts"] == ["alice", "carol"]


def test_an_id_it_had_under_another_name_leads_to_it(live: Live) -> None:
    (before,) = live.get("/v1/incidents").json()["rows"]
    place = {"agent": lake.AGENT, "boot": lake.BOOT, "session": lake.SESSION, "host": lake.HOST}
    live.lake.add(
        "alerts", [lake.alert_row(0, lake.NOW) | {"boot": lake.BOOT, "revision": 1, "id": "f" * 64}]
    )
    for number, name in ((1, "bob"), (2, "carol")):
        known = {"user": "alice", "person": name, "how": "hop", "revised": lake.NOW + number}
        live.lake.add("sessions", [place | known])
    (after,) = live.get("/v1/incidents").json()["rows"]
    assert (after["person"], after["id"] == before["id"]) == ("carol", False)
    bobs = incident_ids.identity("person|bob", stories.alert({"boot": None} | lake.alert_row()))
    for asked in (before["id"], before["id"][:9], bobs, after["id"]):
        assert live.get(f"/v1/incidents/{asked}").json()["incident"]["id"] == after["id"]
        assert live.get("/v1/bundle", incident=asked).status_code == 200


def test_a_window_is_exact_and_an_old_incident_is_found(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    day = 86_400 * 10**9
    old = [
        lake.alert_row(100 + n)
        | {"time": lake.NOW - (800 + n) * day, "person": f"person{n % 9}", "boot": "b0"}
        for n in range(40)
    ]
    long = [
        lake.alert_row(200 + n) | {"time": lake.NOW - n * day // 2, "boot": lake.BOOT} for n in range(1, 99)
    ]
    live.lake.add("alerts", [*old, *long])
    (one,) = live.get("/v1/incidents", **{"from": "2h", "person": "alice"}).json()["rows"]
    assert one["begin"] == lake.NOW - 49 * day, "it is whole, though it began long before"
    some = live.get("/v1/incidents", to="2025-01-01").json()
    assert (len(some["rows"]), some["truncated"], some["cut"]) == (40, False, False)
    monkeypatch.setattr(stories, "ALERTS_LIMIT", 20)
    assert live.get("/v1/incidents", to="2025-01-01").json()["cut"]
    oldest = some["rows"][-1]
    assert live.get(f"/v1/incidents/{oldest['id']}").json()["incident"] == oldest


def test_what_turns_out_to_be_inferred_is_at_most_medium_in_every_list(live: Live) -> None:
    place = {"agent": lake.AGENT, "boot": lake.BOOT, "session": lake.SESSION, "host": lake.HOST}
    live.lake.add("alerts", [lake.alert_row(0, lake.NOW) | {"boot": lake.BOOT, "revision": 1}])
    live.lake.add("sessions", [place | {"person": "bob", "how": "inferred", "revised": lake.NOW}])
    (row,) = live.get("/v1/alerts").json()["rows"]
    assert (row["severity"], row["person"], row["how"]) == ("medium", "bob", "inferred")
    assert live.get("/v1/alerts", severity="high").json()["rows"] == []
    assert live.get("/v1/incidents").json()["rows"][0]["severity"] == "medium"


def test_what_was_inferred_and_turns_out_sure_weighs_as_much_in_every_list(live: Live) -> None:
    place = {"agent": lake.AGENT, "boot": lake.BOOT, "session": lake.SESSION, "host": lake.HOST}
    inferred = {
        "how": "inferred",
        "severity": "medium",
        "details": '{"if_sure":"critical","inferred_by":"u1"}',
    }
    told = {"boot": lake.BOOT, "revision": 1}
    live.lake.add("alerts", [lake.alert_row(0, lake.NOW) | told | inferred])
    (row,) = live.get("/v1/alerts").json()["rows"]
    assert row["severity"] == "medium"
    sure = {"person": "bob", "how": "hop", "revised": lake.NOW, "evidence": ["u0", "u1"]}
    live.lake.add("sessions", [place | sure])
    (row,) = live.get("/v1/alerts", severity="critical").json()["rows"]
    assert (row["person"], row["how"]) == ("bob", "hop")


def test_a_suppression_hides_stored_findings_and_never_evidence(live: Live) -> None:
    wanted = {"scope": {"person": "alice"}, "reason": "agreed with her", "expires": "7d"}
    assert live.post("/v1/suppressions", wanted, user="vera").status_code == 403
    made = live.post("/v1/suppressions", wanted).json()["suppression"]
    assert (made["author"], made["scope"]) == ("ann", {"person": "alice"})
    act = live.acts.kept[-1]
    assert (act.verb, act.object) == ("suppress.add", made["id"])
    assert act.detail is not None
    assert act.detail["reason"] == "agreed with her"
    assert live.get("/v1/alerts").json()["rows"] == []
    assert live.get("/v1/alerts", since="0.").json()["rows"] == []
    assert live.get("/v1/incidents").json()["rows"] == []
    assert live.get(f"/v1/incidents/{lake.ALERT}").status_code == 404
    (shown,) = live.get("/v1/alerts", suppressed="true").json()["rows"]
    assert shown["suppressed"]["reason"] == "agreed with her"
    assert live.get(f"/v1/alerts/{lake.ALERT}").json()["alert"]["suppressed"]["id"] == made["id"]
    assert len(live.get("/v1/incidents", suppressed="true").json()["rows"]) == 1
    assert len(live.get("/v1/search", query="bytes_out:>10MB").json()["rows"]) == 1
    assert live.post(f"/v1/suppressions/{made['id'][:4]}/end", None).status_code == 200
    assert [act.verb for act in live.acts.kept[-2:]] == ["unsuppress", "suppress.end"]
    assert len(live.get("/v1/alerts").json()["rows"]) == 1
    (listed,) = live.get("/v1/suppressions").json()["rows"]
    assert (listed["standing"], listed["suppression"]["ended_by"]) == ("ended", "ann")


def test_a_suppression_that_cannot_be_recorded_does_nothing(live: Live) -> None:
    live.acts.broken = True
    wanted = {"scope": {"rule": "r"}, "reason": "x", "expires": "7d"}
    assert live.post("/v1/suppressions", wanted).status_code == 503
    live.acts.broken = False
    assert live.get("/v1/suppressions").json()["rows"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"scope": {}, "reason": "x", "expires": "7d"},
        {"scope": {"rule": "r"}, "reason": "x", "expires": "2020-01-01"},
        {"scope": {"rule": "r"}, "reason": "x", "expires": "soon"},
        {"scope": {"rule": "r"}, "reason": "", "expires": "7d"},
        {"scope": {"rule": "r"}, "expires": "7d"},
    ],
)
def test_a_wrong_suppression_is_refused(live: Live, wrong: dict[str, object]) -> None:
    assert live.post("/v1/suppressions", wrong).status_code == 400
    assert live.get("/v1/suppressions").json()["rows"] == []


def test_a_bundle_of_an_incident_names_its_person_and_their_sessions(live: Live) -> None:
    (incident,) = live.get("/v1/incidents").json()["rows"]
    answer = live.get("/v1/bundle", incident=incident["id"][:8])
    subject = bundle.read(answer.content).manifest.subject
    assert (subject.person, subject.agents) == ("alice", (lake.AGENT,))
    assert [(one.session, one.how) for one in subject.sessions] == [(lake.SESSION, "kernel")]
    assert subject.begin <= incident["begin"] <= incident["end"] <= subject.end
    assert (live.acts.kept[-1].verb, live.get("/v1/bundle", incident="ffff").status_code) == ("bundle", 404)
