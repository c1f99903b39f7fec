"""From events to incidents: in any order of the hosts, over restarts, the same story byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.alert import Alert
from collector.analysis import Analysis
from collector.incident import Incident
from collector.incidents import stories
from collector.incidents.incidents import assemble, canonical
from collector.record import SessionRevision
from collector.settings import Detection as Settings
from evidence.kind import Endpoint
from evidence.kinds.agent import Start
from evidence.kinds.connection import Close
from evidence.kinds.file import Read
from evidence.kinds.login import Sudo
from tests.collector.fleet import BEGIN, LAPTOP, SECOND, Host, Seen, in_time

OUT = "203.0.113.9"
SENT = 40_000_000
SETTINGS = Settings(known_destinations=("127.0.0.0/8", "10.0.0.0/8"))


def robbery(ahead: float = 0) -> tuple[Host, Host, Host]:
    """Alice goes over bastion and app to db, there reads shadow as root, and sends it away."""
    bastion, app = Host("bastion", "10.0.0.1"), Host("app", "10.0.0.2", ahead=ahead)
    db = Host("db", "10.0.0.3")
    for host in (bastion, app, db):
        host.tell(Start(version="1", host=host.name, clean=True), 0)
    bastion.login("alice", 7, LAPTOP, 50_000, 0, key="SHA256:alice")
    bastion.ssh(app, 7, 40_001, 10)
    app.login("deploy", 21, bastion.ip, 40_001, 11)
    app.ssh(db, 21, 40_002, 20)
    db.login("postgres", 3, app.ip, 40_002, 21)
    db.tell(
        Sudo(program="sudo", user="postgres", target="root", command="/bin/cat /etc/shadow", session=3), 29
    )
    db.tell(Read(path="/etc/shadow", tree="/etc/shadow", actor=db.actor(3, "/usr/bin/cat"), owner=0), 30)
    db.tell(upload(db), 60)
    return bastion, app, db


def upload(host: Host) -> Close:
    return Close(
        flow=77,
        protocol="tcp",
        direction="out",
        local=Endpoint(ip=host.ip, port=41_000),
        remote=Endpoint(ip=OUT, port=443),
        bytes_out=SENT,
        bytes_in=900,
        duration=5 * SECOND,
        actor=host.actor(3, "/usr/bin/curl", 501),
    )


def incidents(seen: Sequence[Seen], *, restart: bool = False) -> tuple[Incident, ...]:
    """Return what stands after these events, by the engine as the pipeline runs it."""
    engine = Analysis(SETTINGS)
    alerts: list[Alert] = []
    sessions: list[SessionRevision] = []
    now = BEGIN
    for origin, event in seen:
        now = max(now, origin.received)
        alerts += engine.step(origin, [event], now)[1]
        sessions += engine.sessions()
        if restart:
            stored = engine.dump()
            engine = Analysis(SETTINGS)
            engine.load(stored)
    alerts += engine.step(seen[0][0], [], now + 40 * SECOND)[1]
    sessions += engine.sessions()
    alerts += engine.tick(now + 40 * SECOND)
    last = {(one.agent, one.boot, one.session): one for one in sessions}
    return assemble(alerts, [stories.of_revision(one) for one in last.values()])


def test_three_hosts_are_one_incident_of_one_person() -> None:
    (incident,) = incidents(in_time(*robbery()))
    assert (incident.person, incident.source) == ("alice", LAPTOP)
    assert incident.hosts == ("bastion", "app", "db")
    assert incident.accounts == ("alice", "deploy", "postgres")
    assert incident.bytes_out == SENT
    assert "secret-read-then-out" in {one.rule for one in incident.timeline}
    assert [place.how for place in incident.places] == ["kernel", "hop", "hop"]


@given(st.randoms(use_true_random=False), st.sampled_from([0, 90]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_any_order_of_the_hosts_gives_the_same_bytes(chance: Random, ahead: float, restart: bool) -> None:
    hosts = robbery(ahead)
    expected = canonical(incidents(in_time(*hosts)))
    queues = [list(host.seen) for host in hosts]
    shuffled = []
    while any(queues):
        shuffled.append(chance.choice([one for one in queues if one]).pop(0))
    assert canonical(incidents(shuffled, restart=restart)) == expected


def test_a_host_whose_events_all_come_late_changes_nothing() -> None:
    bastion, app, db = robbery()
    expected = canonical(incidents(in_time(bastion, app, db)))
    for late in (bastion, app, db):
        others = [one for one in in_time(bastion, app, db) if one[0].agent != late.name]
        assert canonical(incidents([*others, *late.seen])) == expected
