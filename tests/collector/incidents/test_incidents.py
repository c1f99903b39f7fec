from __future__ import annotations

from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.alert import Alert
from collector.alerts.raising import to_alert
from collector.alerts.telling import identity
from collector.correlations import upload_new_destination
from collector.incident import Seen, Session
from collector.incidents import stories
from collector.incidents.incidents import assemble, canonical
from collector.pipeline import tables
from collector.record import Hop, How, Person
from collector.risk import Limits
from collector.rule import Finding

HOUR = 3_600_000_000_000
BEGIN = 1_790_000_000_000_000_000
CALM = Limits(threshold=1_000_000)
HOP = Hop("bastion-id", "bastion", "b0", 3, "alice", "kernel")
ALICE = Person("alice", "kernel", 7, "198.51.100.7", "SHA256:k")


def alert(rule: str = "upload", entity: str = "x", *, hours: float = 0, **more: Any) -> Alert:
    evidence = more.pop("evidence", (f"{rule}:{entity}",))
    made = Alert(
        id=identity(rule, 1, entity, evidence),
        rule=rule,
        version=1,
        severity="high",
        title=f"Title of {rule}",
        summary=f"what {rule} found",
        time=BEGIN + int(hours * HOUR),
        detected=1,
        agent="web1-id",
        host="web1",
        person=ALICE,
        evidence=evidence,
        attack=("T1048",),
        entity=entity,
        boot="b1",
    )
    return msgspec.structs.replace(made, **more)


def flow(uid: str, number: int, sent: int) -> Seen:
    place = (uid, "web1-id", "b1", 7, "connection.close")
    return Seen(*place, flow=number, remote="203.0.113.9", bytes_out=sent, bytes_in=5)


def test_findings_of_one_person_are_one_story_and_a_day_without_ends_it() -> None:
    made = [alert("a"), alert("b", hours=20), alert("c", hours=43), alert("d", hours=68)]
    found = assemble(made, limits=CALM)
    assert [[one.rule for one in incident.timeline] for incident in found] == [["d"], ["a", "b", "c"]]
    other = assemble([alert("a"), alert("b", person=Person("bob", "kernel"))])
    assert {incident.person for incident in other} == {"alice", "bob"}


def test_low_findings_join_a_story_and_make_none() -> None:
    low = [alert("l", str(n), severity="low", hours=n * 10) for n in range(9)]
    assert assemble(low) == ()
    (incident,) = assemble([*low, alert("a", hours=40)])
    assert [one.time // HOUR - BEGIN // HOUR for one in incident.timeline] == [20, 30, 40, 40, 50, 60]
    (alone,) = assemble([alert("a", hours=40)])
    assert incident.id == alone.id, "what is low does not rename a story"


def test_every_id_it_had_leads_to_it() -> None:
    first = [alert("b", hours=20), alert("c", hours=43)]
    (before,) = assemble(first, limits=CALM)
    (other,) = assemble([alert("e", hours=-20)], limits=CALM)
    (after,) = assemble([*first, alert("e", hours=-20), alert("a")], limits=CALM)
    assert after.id == other.id != before.id
    assert before.id in after.also
    assert other.id not in after.also
    (hidden,) = assemble([*first, alert("a")], limits=CALM, is_hidden=lambda one: one.rule == "a")
    (shown,) = assemble([*first, alert("a")], limits=CALM)
    assert hidden.id == before.id
    assert shown.id in hidden.also, "what is suppressed takes no link away"


def test_a_story_made_by_risk_keeps_its_ids_when_an_earlier_finding_comes() -> None:
    low = [alert(f"r{n}", severity="low", hours=n / 10) for n in range(12)]
    (before,) = assemble(low)
    (after,) = assemble([*low, alert("r12", severity="low", hours=-0.1)])
    assert before.id in (after.id, *after.also)
    (louder,) = assemble([*low, alert("a", hours=-1)])
    assert before.id in louder.also


def test_what_went_back_over_a_hop_is_followed_to_where_it_went_on() -> None:
    db = Person("alice", "hop", 9, source="198.51.100.7", chain=(HOP,))
    fetched = alert(
        "inbound", agent="db1-id", host="db1", boot="b9", person=db, destination="10.0.0.2", bytes_out=900
    )
    sessions = [
        Session("bastion-id", "b0", 3, "bastion", "alice", Person("alice", "kernel", 3), "198.51.100.7"),
        Session("db1-id", "b9", 9, "db1", "deploy", db, "10.0.0.2"),
    ]

    def told(*seen: Seen) -> list[tuple[str, int, tuple[str, ...], str | None]]:
        (incident,) = assemble([fetched], sessions, seen)
        assert incident.bytes_out == sum(one.bytes_out for one in incident.moved if one.inside is None)
        return [(one.destination, one.bytes_out, one.via, one.inside) for one in incident.moved]

    def back(sent: int) -> Seen:
        return Seen("u9", "bastion-id", "b0", 3, flow=4, remote="198.51.100.7", bytes_out=sent)

    assert told() == [("10.0.0.2", 900, (), "bastion")]
    assert told(back(950)) == [("198.51.100.7", 900, ("bastion",), None)]
    assert told(back(300)) == [("10.0.0.2", 600, (), "bastion"), ("198.51.100.7", 300, ("bastion",), None)]
    (incident,) = assemble([fetched], sessions, [back(950)])
    assert "900 bytes to 198.51.100.7 over bastion left." in incident.summary
    assert "u9" in incident.evidence
    (stayed,) = assemble([fetched], sessions)
    assert "900 bytes went back to bastion (10.0.0.2)." in stayed.summary


def test_a_finding_whose_person_turns_out_inferred_is_medium() -> None:
    revision = Session("web1-id", "b1", 7, "web1", "deploy", Person("alice", "inferred", 7))
    (incident,) = assemble([alert("a", severity="critical")], [revision])
    assert [one.severity for one in incident.timeline] == ["medium"]


def test_low_findings_of_many_rules_are_a_story_by_the_risk_they_add_up_to() -> None:
    low = [alert(f"r{n}", severity="low", hours=n / 10, attack=("T1048",)) for n in range(12)]
    (incident,) = assemble(low)
    assert incident.severity == "medium"
    assert {one.rule for one in incident.timeline} == {"person-risk", *(f"r{n}" for n in range(12))}
    assert incident.risk[-1].points > 100
    told = alert("person-risk", "alice|1|1", severity="medium", person=Person("deploy", "kernel", 9))
    assert canonical(assemble([*low, told])) == canonical(assemble(low)), "it is judged anew"


def test_a_chain_is_one_story_with_all_hosts_and_accounts() -> None:
    db = Person("alice", "hop", 9, chain=(HOP,), because=("u1", "u2"))
    found = [alert("a", agent="bastion-id", host="bastion", boot="b0", person=Person("alice", "kernel", 3))]
    found.append(alert("b", hours=1, agent="db1-id", host="db1", boot="b9", person=db))
    (incident,) = assemble(found, [Session("db1-id", "b9", 9, "db1", "deploy")])
    assert incident.hosts == ("bastion", "db1")
    assert incident.how == ("kernel", "hop")
    assert incident.places[1].because == ("u1", "u2")
    (incident,) = assemble(found[1:], [Session("db1-id", "b9", 9, "db1", "deploy")])
    assert incident.hosts == ("bastion", "db1")
    assert incident.accounts == ("alice", "deploy")


def test_a_person_learnt_later_owns_what_was_stored() -> None:
    stored = alert("b", agent="db1-id", host="db1", boot="b9", person=Person("deploy", "kernel", 9))
    revisions = [
        Session("db1-id", "b9", 9, "db1", "deploy", Person("deploy", "kernel", 9)),
        Session("db1-id", "b9", 9, "db1", "deploy", Person("alice", "hop", 9, chain=(HOP,))),
    ]
    (incident,) = assemble([alert("a"), stored], revisions)
    assert incident.person == "alice"
    assert set(incident.hosts) == {"web1", "bastion", "db1"}


def test_the_same_bytes_count_once_and_those_of_two_sessions_twice() -> None:
    seen = [flow("u1", 1, 600), flow("u2", 1, 1000), flow("u3", 2, 500)]
    uids = ("u1", "u2", "u3")
    twice = [
        alert("upload", destination="203.0.113.9", bytes_out=1200, evidence=uids),
        alert("secret", destination="203.0.113.9:443", evidence=("u2",), hours=1),
    ]
    (incident,) = assemble(twice, seen=seen)
    assert [(one.destination, one.bytes_out, one.bytes_in) for one in incident.moved] == [
        ("203.0.113.9", 1500, 10)
    ]
    other = alert(
        "upload", "y", destination="203.0.113.9", bytes_out=700, person=Person("alice", "kernel", 8)
    )
    (incident,) = assemble([*twice, other], seen=seen)
    assert incident.bytes_out == 2200
    assert "2.2 kB to 203.0.113.9 left." in incident.summary


def test_many_tactics_raise_the_severity_and_inference_holds_it_down() -> None:
    three = [alert("a", attack=("T1003",)), alert("b", attack=("T1560",)), alert("c", attack=("T1048",))]
    assert assemble(three)[0].severity == "critical"
    assert assemble(three)[0].tactics == ("credential-access", "collection", "exfiltration")
    assert assemble(three[:2])[0].severity == "high"
    guess = Person("alice", "inferred")
    weak = [msgspec.structs.replace(one, person=guess, severity="medium") for one in three]
    assert assemble(weak)[0].severity == "medium"


def test_what_was_inferred_weighs_more_once_the_sessions_link_is_sure() -> None:
    inferred = Person("alice", "inferred", 9, because=("h:1:1",))
    rule = msgspec.structs.replace(upload_new_destination.CORRELATION, severity="high")
    said = Finding("x", "alice sent it", BEGIN, "web1-id", "web1", ("h:1:5",), inferred, boot="b1")
    told = to_alert(rule, said, BEGIN)
    assert told.severity == "medium"

    def now(how: How, *because: str) -> tuple[str, ...]:
        later = Session("web1-id", "b1", 9, "web1", "root", Person("alice", how, 9, because=because))
        (live,) = assemble([told], [later], limits=CALM)
        (read,) = assemble([stories.alert(lake_row(told))], [later], limits=CALM)
        return (live.severity, read.severity)

    assert now("job", "h:1:0", "h:1:1") == ("high", "high")
    assert now("inferred", "h:1:1") == ("medium", "medium")
    assert now("kernel", "h:1:0") == ("medium", "medium")  # of whoever asked for it: that link is no surer


def lake_row(one: Alert) -> dict[str, Any]:
    return {name: values[0] for name, values in tables.alerts([one]).to_pydict().items()}


def test_nobody_known_is_a_story_of_the_host() -> None:
    found = assemble([alert("a", person=None), alert("b", person=None, agent="other", host="web2")])
    assert {(one.person, one.hosts) for one in found} == {(None, ("web1",)), (None, ("web2",))}
    assert found[0].summary.startswith("Somebody unknown acted on web")


def test_a_user_id_of_two_hosts_is_two_people() -> None:
    who = Person("uid 1000", "uid")
    assert len(assemble([alert("a", person=who), alert("b", person=who, agent="other")])) == 2


def test_the_newest_revision_counts_and_a_former_does_not() -> None:
    first = alert(bytes_out=10, destination="d")
    newer = alert(bytes_out=99, destination="d", revision=1, detected=2, evidence=("e", "f"))
    (incident,) = assemble([newer, first])
    assert incident.bytes_out == 99
    assert incident.evidence == ("e", "f")


def test_it_says_what_it_is_about() -> None:
    file = Seen("f", "web1-id", "b1", 7, "file.read", "deploy", "/srv/repo/key.pem")
    (incident,) = assemble([alert("a", evidence=("f",)), alert("b", hours=2)], seen=[file], limits=CALM)
    assert incident.files == ("/srv/repo/key.pem",)
    assert incident.accounts == ("deploy",)
    assert incident.summary == (
        "alice (known by the kernel's audit session, from 198.51.100.7) acted on web1 as deploy, "
        "within 2 h 00 min. Found: Title of a; Title of b."
    )


made = st.builds(
    alert,
    st.sampled_from("abc"),
    st.sampled_from("xyz"),
    hours=st.integers(0, 99),
    severity=st.sampled_from(("low", "medium", "high")),
    person=st.sampled_from((ALICE, None, Person("alice", "hop", 9, chain=(HOP,)), Person("uid 5", "uid"))),
    destination=st.sampled_from((None, "203.0.113.9")),
    bytes_out=st.sampled_from((None, 5, 900)),
    evidence=st.lists(st.sampled_from(("u1", "u2", "u3")), unique=True, max_size=3).map(tuple),
    detected=st.just(0),
)


@given(
    st.lists(made, max_size=9, unique_by=lambda one: (one.rule, one.entity)),
    st.randoms(use_true_random=False),
)
@settings(max_examples=80)
def test_shuffled_arrival_gives_the_same_bytes(alerts: list[Alert], random: Random) -> None:
    seen = [flow("u1", 1, 600), flow("u2", 1, 1000), flow("u3", 2, 500)]
    shuffled = [
        msgspec.structs.replace(
            one, detected=at, evidence=tuple(random.sample(one.evidence, len(one.evidence)))
        )
        for at, one in enumerate(random.sample(alerts, len(alerts)))
    ]
    assert canonical(assemble(alerts, seen=seen)) == canonical(assemble(shuffled, seen=seen[::-1]))
