"""A person is followed from host to host: by the connection a login came by, however late either is told."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.attribution import hop_pairs, hops
from collector.attribution.jobs import Caused
from collector.organisation.known import Human, Organisation
from collector.record import Person
from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close, Open, Report
from evidence.kinds.login import Accepted
from evidence.kinds.process import Ancestor, Exec, IdentityChanged
from evidence.kinds.state import Changed
from tests.collector.fleet import LAPTOP, SECOND, Fleet, Host, in_time

KEY = "SHA256:alice"
CAROLS = "SHA256:carol"


def chain_of_three(*, ahead: float = 0, known_ahead: bool = True) -> tuple[Host, Host, Host]:
    """Alice logs in to the bastion, from there as deploy to app, from there as postgres to db."""
    bastion, app = Host("bastion", "10.0.0.1"), Host("app", "10.0.0.2", ahead=ahead, known_ahead=known_ahead)
    db = Host("db", "10.0.0.3")
    bastion.login("alice", 7, LAPTOP, 50_000, 0, key=KEY)
    bastion.ssh(app, 7, 40_001, 10)
    app.login("deploy", 21, bastion.ip, 40_001, 11)
    app.tell(Exec(pid=600, uid=0, auid=1000, session=21, exe="/usr/bin/id"), 12)
    app.ssh(db, 21, 40_002, 20)
    db.login("postgres", 3, app.ip, 40_002, 21)
    db.tell(Exec(pid=700, uid=26, auid=26, session=3, exe="/usr/bin/pg_dump"), 30)
    db.logout("postgres", 3, 90)
    return bastion, app, db


def test_three_hosts_are_one_person_with_every_step_and_its_evidence() -> None:
    bastion, app, db = chain_of_three()
    fleet = Fleet().see(in_time(bastion, app, db))
    person = fleet.settle()["db", 3].person
    assert (person.name, person.how, person.session) == ("alice", "hop", 3)
    assert (person.source, person.fingerprint) == (LAPTOP, KEY)
    assert [(hop.host, hop.session, hop.user, hop.how) for hop in person.chain] == [
        ("bastion", 7, "alice", "kernel"),
        ("app", 21, "deploy", "hop"),
    ]
    assert [hop.because for hop in person.chain] == [("bastion:1:3", "app:1:1"), ("app:1:4", "db:1:1")]
    assert person.because == ("bastion:1:3", "app:1:1", "app:1:4", "db:1:1")
    assert fleet.persons["db:1:3"] == person, "what is done there is alice's"
    assert fleet.persons["db:1:1"] is not None
    assert fleet.persons["db:1:1"].name == "alice", "the login itself too"


@given(st.randoms(use_true_random=False), st.sampled_from([0, 90, -90]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_hosts_in_any_order_end_in_the_same_sessions(chance: random.Random, ahead: int, known: bool) -> None:
    hosts = chain_of_three(ahead=ahead, known_ahead=known)
    expected = Fleet().see(in_time(*hosts)).settle()
    assert expected["db", 3].person.name == "alice"
    queues = [list(host.seen) for host in hosts]
    fleet = Fleet()
    while any(queues):
        queue = chance.choice([one for one in queues if one])
        fleet.see([queue.pop(0)])
        if chance.random() < 0.3:
            fleet.restart()
    assert fleet.settle() == expected


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_host_that_is_late_as_a_whole_changes_nothing(order: tuple[int, ...]) -> None:
    hosts = chain_of_three(ahead=90, known_ahead=False)
    shuffled = [one for at in order for one in hosts[at].seen]
    assert Fleet().see(shuffled).settle() == Fleet().see(in_time(*hosts)).settle()


def test_events_after_a_late_link_carry_the_person() -> None:
    bastion, app, db = chain_of_three()
    fleet = Fleet().see([*app.seen, *db.seen])
    assert fleet.settle()["db", 3].person.name == "deploy"
    fleet.see(bastion.seen)
    assert fleet.settle()["db", 3].person.name == "alice"
    later = db.tell(Exec(pid=701, uid=26, auid=26, session=3), 100)
    fleet.see(db.seen[-1:])
    person = fleet.persons[later]
    assert person is not None
    assert (person.name, len(person.chain)) == ("alice", 2)


def test_a_connection_of_which_only_the_end_is_told() -> None:
    bastion, app = Host("bastion", "10.0.0.1"), Host("app", "10.0.0.2")
    bastion.login("alice", 7, LAPTOP, 50_000, 0, key=KEY)
    bastion.ssh(app, 7, 40_001, 10, seconds=0.6)
    app.login("deploy", 21, bastion.ip, 40_001, 10.3)
    assert Fleet().see(in_time(bastion, app)).settle()["app", 21].person.name == "alice"


def test_a_jump_host_connects_by_its_sshd_and_any_port() -> None:
    bastion, app = Host("bastion", "10.0.0.1"), Host("app", "10.0.0.2")
    bastion.login("alice", 7, LAPTOP, 50_000, 0, key=KEY)
    jump = Open(
        flow=1, protocol="tcp", direction="out", local=Endpoint(ip=bastion.ip, port=40_001),
        remote=Endpoint(ip=f"::ffff:{app.ip}", port=2222), actor=bastion.actor(7, "/usr/sbin/sshd"),
    )  # fmt: skip
    bastion.tell(jump, 10)
    app.login("alice", 21, bastion.ip, 40_001, 11, key=KEY)
    person = Fleet().see(in_time(bastion, app)).settle()["app", 21].person
    assert (person.how, person.source, person.key) == ("hop", LAPTOP, None)


def test_a_reused_port_goes_to_the_nearest_in_time() -> None:
    bastion, app = Host("bastion", "10.0.0.1"), Host("app", "10.0.0.2")
    bastion.login("alice", 7, LAPTOP, 50_000, 0)
    bastion.login("bob", 8, "198.51.100.8", 50_001, 1)
    bastion.ssh(app, 7, 40_001, 10, seconds=3)
    bastion.tell(_again(bastion, app, 8, 40_001), 200)
    app.login("deploy", 21, bastion.ip, 40_001, 11)
    app.login("deploy", 22, bastion.ip, 40_001, 201)
    for seen in (in_time(bastion, app), [*app.seen, *bastion.seen], [*bastion.seen, *app.seen]):
        told = Fleet().see(seen).settle()
        assert [told["app", number].person.name for number in (21, 22)] == ["alice", "bob"]


def _again(bastion: Host, app: Host, session: int, port: int) -> Open:
    return Open(
        flow=77, protocol="tcp", direction="out", local=Endpoint(ip=bastion.ip, port=port),
        remote=Endpoint(ip=app.ip, port=22), actor=bastion.actor(session, "/usr/bin/ssh"),
    )  # fmt: skip


def test_two_that_fit_equally_are_nobody() -> None:
    one, other = Host("site-a", "10.0.0.1"), Host("site-b", "10.0.0.1")
    app = Host("app", "10.0.0.2")
    one.login("alice", 7, LAPTOP, 50_000, 0)
    other.login("bob", 7, "198.51.100.8", 50_000, 0)
    one.ssh(app, 7, 40_001, 10)
    other.ssh(app, 7, 40_001, 10.5)
    app.login("deploy", 21, "10.0.0.1", 40_001, 11)
    for order in itertools.permutations((one, other, app)):
        seen = [event for host in order for event in host.seen]
        person = Fleet().see(seen).settle()["app", 21].person
        assert (person.name, person.how, person.chain) == ("deploy", "kernel", ())


def test_a_connection_to_elsewhere_or_too_long_ago_is_not_it() -> None:
    bastion, app = Host("bastion", "10.0.0.1"), Host("app", "10.0.0.2")
    bastion.login("alice", 7, LAPTOP, 50_000, 0)
    bastion.ssh("10.0.0.9", 7, 40_001, 10)
    bastion.ssh(app, 7, 40_002, 10)
    app.served(bastion.ip, 40_001, 10.9)
    app.login("deploy", 21, bastion.ip, 40_001, 11)
    app.login("deploy", 22, bastion.ip, 40_002, 10 + hop_pairs.LIMIT / SECOND + 1)
    told = Fleet().see(in_time(bastion, app)).settle()
    assert [told["app", number].person.name for number in (21, 22)] == ["deploy", "deploy"]


def nat(*, second: bool = False) -> tuple[Host, Host]:
    """Alice connects to app through something that translates addresses; with second, so does bob."""
    bastion, app = Host("bastion", "10.0.0.1"), Host("app", "192.0.2.2")
    bastion.login("alice", 7, LAPTOP, 50_000, 0)
    bastion.login("bob", 8, "198.51.100.8", 50_001, 1)
    bastion.ssh(app, 7, 40_001, 10)
    if second:
        bastion.ssh(app, 8, 40_002, 12)
    app.served("203.0.113.1", 61_000, 10.5)
    app.login("deploy", 21, "203.0.113.1", 61_000, 11)
    return bastion, app


@pytest.mark.parametrize("reverse", [False, True])
def test_translated_addresses_are_inferred_from_the_only_pair(reverse: bool) -> None:
    seen = sorted(in_time(*nat()), key=lambda one: one[0].agent, reverse=reverse)
    person = Fleet().see(seen).settle()["app", 21].person
    assert (person.name, person.how) == ("alice", "inferred")


@pytest.mark.parametrize("reverse", [False, True])
def test_two_candidates_through_translation_are_nobody(reverse: bool) -> None:
    seen = sorted(in_time(*nat(second=True)), key=lambda one: one[0].agent, reverse=reverse)
    person = Fleet().see(seen).settle()["app", 21].person
    assert (person.name, person.how) == ("deploy", "kernel")


def test_a_connection_that_has_its_own_login_explains_no_other() -> None:
    bastion, app = nat()
    app.login("alice", 22, bastion.ip, 40_001, 11.5)
    for seen in (in_time(bastion, app), [*app.seen, *bastion.seen]):
        told = Fleet().see(seen).settle()
        assert told["app", 21].person.name == "deploy"
        assert told["app", 22].person.how == "hop"


def test_what_is_inferred_does_not_overrule_a_key_whose_owner_is_known() -> None:
    bastion, app = Host("bastion", "10.0.0.1"), Host("app", "192.0.2.2")
    bastion.login("alice", 7, LAPTOP, 50_000, 0)
    bastion.ssh(app, 7, 40_001, 10)
    app.served("203.0.113.1", 61_000, 10.5)
    app.login("carol", 21, "203.0.113.1", 61_000, 11, key=CAROLS)
    fleet = Fleet(Organisation((Human("Carol", keys=(CAROLS,)),)))
    person = fleet.see(in_time(bastion, app)).settle()["app", 21].person
    assert (person.name, person.how) == ("Carol", "kernel")


def test_another_persons_key_on_the_way_leaves_the_person_and_is_kept() -> None:
    bastion, app = Host("bastion", "10.0.0.1"), Host("app", "10.0.0.2")
    bastion.login("alice", 7, LAPTOP, 50_000, 0, key=KEY)
    bastion.ssh(app, 7, 40_001, 10)
    app.login("carol", 21, bastion.ip, 40_001, 11, key=CAROLS)
    fleet = Fleet(Organisation((Human("Carol", ("carol",), (CAROLS,)), Human("Alice", keys=(KEY,)))))
    told = fleet.see(in_time(bastion, app)).settle()["app", 21]
    assert (told.person.name, told.person.fingerprint, told.person.key) == ("Alice", KEY, CAROLS)
    assert (told.source, told.fingerprint, told.user) == (bastion.ip, CAROLS, "carol")


def test_a_service_account_is_another_from_another_address() -> None:
    app = Host("app", "10.0.0.2")
    app.login("deploy", 1, "10.0.0.9", 40_000, 0)
    app.login("deploy", 2, "10.0.0.8", 40_000, 1)
    app.login("deploy", 3, "10.0.0.8", 40_001, 2, key=CAROLS)
    known = Organisation(
        (Human("Carol", keys=(CAROLS,)), Human("Ops", ("deploy",))), service_accounts=("deploy",)
    )
    told = Fleet(known).see(app.seen).settle()
    names = [told["app", number].person.name for number in (1, 2, 3)]
    assert names == ["deploy from 10.0.0.9", "deploy from 10.0.0.8", "Carol"]


def test_a_cron_job_that_connects_leads_to_whoever_wrote_its_line() -> None:
    h1, h2 = Host("h1", "10.0.0.1"), Host("h2", "10.0.0.2")
    table = "/var/spool/cron/crontabs/alice"
    h1.login("alice", 7, LAPTOP, 50_000, 0, key=KEY)
    line = "0 3 * * * ssh backup@10.0.0.2 true"
    h1.tell(Changed(source="crontabs", subject="alice", change="changed", path=table, added=(line,),
                    actor=h1.actor(7, "/usr/bin/crontab")), 5)  # fmt: skip
    ancestry = (Ancestor(pid=51, start=SECOND), Ancestor(pid=50, start=SECOND, exe="/usr/sbin/cron"))
    h1.tell(
        Exec(
            pid=200, start=SECOND, ppid=51, exe="/usr/bin/dash", uid=1000, auid=1000, session=40,
            user="alice",
            argv=("/bin/sh", "-c", "ssh backup@10.0.0.2 true"), ancestry=ancestry,
        ),
        20,
    )  # fmt: skip
    sh = Ancestor(pid=200, start=SECOND, exe="/usr/bin/dash")
    h1.tell(
        Exec(
            pid=201, start=SECOND, ppid=200, parent_start=SECOND, exe="/usr/bin/ssh", auid=1000, session=40,
            ancestry=(sh, *ancestry),
        ),
        20.5,
    )  # fmt: skip
    h1.ssh(h2, 40, 40_001, 21, pid=201)
    h2.login("backup", 9, h1.ip, 40_001, 22)
    for seen in (in_time(h1, h2), [*h2.seen, *h1.seen]):
        person = Fleet().see(seen).settle()["h2", 9].person
        assert (person.name, person.how) == ("alice", "hop")
        assert person.source == LAPTOP
        assert [(hop.session, hop.how) for hop in person.chain] == [(40, "job")]
        assert "h1:1:3" in person.because


def test_a_rewritten_identity_is_followed_to_the_next_host() -> None:
    bastion, app, db = chain_of_three()
    forged = IdentityChanged(
        actor=Actor(pid=90, uid=0, auid=1001, session=30), former_auid=1000, former_session=21
    )
    app.tell(forged, 40)
    app.ssh(db, 30, 40_009, 41)
    db.login("root", 4, app.ip, 40_009, 42)
    for seen in (in_time(bastion, app, db), [*db.seen, *app.seen, *bastion.seen]):
        told = Fleet().see(seen).settle()
        assert told["db", 4].person.name == "alice"
        assert told["app", 30].person == told["app", 21].person


def test_a_session_whose_login_nobody_saw_still_leads_on() -> None:
    bastion, app = Host("bastion", "10.0.0.1"), Host("app", "10.0.0.2")
    bastion.ssh(app, 7, 40_001, 10)
    app.login("deploy", 21, bastion.ip, 40_001, 11)
    bastion.tell(Exec(pid=600, auid=1000, login="alice", session=7), 12)
    person = Fleet().see(in_time(bastion, app)).settle()["app", 21].person
    assert (person.name, person.how, person.chain[0].user) == ("alice", "hop", "alice")


def test_a_service_that_connects_is_nobody() -> None:
    bastion, app = Host("bastion", "10.0.0.1"), Host("app", "10.0.0.2")
    bastion.tell(_daemon(bastion, app), 10)
    app.login("backup", 21, bastion.ip, 40_001, 11)
    person = Fleet().see(in_time(bastion, app)).settle()["app", 21].person
    assert (person.name, person.how, person.chain) == ("backup", "kernel", ())


def _daemon(bastion: Host, app: Host) -> Open:
    return Open(
        flow=1, protocol="tcp", direction="out", local=Endpoint(ip=bastion.ip, port=40_001),
        remote=Endpoint(ip=app.ip, port=22), actor=Actor(pid=9, exe="/usr/bin/ssh", uid=0),
    )  # fmt: skip


def test_loopback_is_of_one_host() -> None:
    h1, h2 = Host("h1", "127.0.0.1"), Host("h2", "127.0.0.1")
    h1.login("alice", 7, LAPTOP, 50_000, 0)
    h1.ssh(h1, 7, 40_001, 10)
    for host in (h1, h2):
        host.login("root", 8, "127.0.0.1", 40_001, 11)
    told = Fleet().see(in_time(h1, h2)).settle()
    assert told["h1", 8].person.name == "alice"
    assert told["h2", 8].person.name == "root"


def test_bytes_of_a_session_are_counted_once_by_direction() -> None:
    app = Host("app", "10.0.0.2")
    app.login("bob", 5, LAPTOP, 50_000, 0)
    serving = app.actor(5, "/usr/sbin/sshd", 300)

    def inbound(out: int, into: int, flow: int = 1) -> dict[str, Any]:
        ends = (Endpoint(ip=app.ip, port=22), Endpoint(ip=LAPTOP, port=50_000))
        return {
            "flow": flow, "protocol": "tcp", "direction": "in", "local": ends[0], "remote": ends[1],
            "bytes_out": out, "bytes_in": into, "actor": serving,
        }  # fmt: skip

    app.tell(Report(**inbound(1_000_000, 10)), 10)
    app.tell(Report(**inbound(10_000_000, 20)), 11)
    app.tell(Close(**inbound(12_345_678, 999)), 12)
    app.tell(Close(**inbound(100, 5, flow=2)), 20)
    app.tell(Close(**inbound(7, 3, flow=3)), 20)
    chance = random.Random(1)  # noqa: S311 - a shuffle
    for _ in range(10):
        seen = list(app.seen)
        told = Fleet().see(seen).settle()["app", 5]
        assert (told.bytes_out, told.bytes_in) == (12_345_678 + 107, 999 + 8)
        chance.shuffle(seen)
        assert Fleet().see(seen).settle()["app", 5].bytes_out == 12_345_678 + 107


def test_what_is_remembered_is_bounded() -> None:
    state = hops.State()
    owner = Caused(Person("alice", "kernel", 7), "hop", None)
    for number in range(60_000):
        at = ("10.0.0.1", number % 70)
        call = hop_pairs.Call(f"c{number}", number, "a", "h", "b", owner, at, ("10.0.0.2", 22))
        hops.called(state, f"c{number}", call)
    for number in range(300):
        login = hop_pairs.Login(f"l{number}", number, "b", "b", "deploy", "sshd", ("10.0.0.1", number % 70),
                           ("10.0.0.2", 22))  # fmt: skip
        hops.accepted(state, login)
        hops.judged(state, login)
    assert len(state.calls) <= 50_000
    assert max(len(names) for names in state.from_source.values()) <= 16
    assert max(len(names) for names in state.to_destination.values()) <= 64


def test_a_login_without_an_address_is_whose_account_it_is() -> None:
    h1 = Host("h1", "10.0.0.1")
    h1.tell(Accepted(program="login", user="alice", pid=9, session=3, auid=1000), 0)
    assert Fleet().see(h1.seen).settle()["h1", 3].person == Person("alice", "kernel", 3)
