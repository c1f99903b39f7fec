"""The person follows the login identity, whatever order the events of a login arrive in."""

from __future__ import annotations

import itertools

import pytest

from collector.attribution import Attribution, is_interactive
from collector.record import Person, Record
from evidence.event import stamp
from evidence.kind import Actor, Body, Endpoint
from evidence.kinds.login import Accepted, Failed, SessionClose, SessionOpen, Sudo
from evidence.kinds.process import Exec, IdentityChanged

HOME = Endpoint(ip="198.51.100.7", port=50_000)
ACCEPTED = Accepted(
    program="sshd", user="alice", pid=70, method="publickey", fingerprint="SHA256:k", source=HOME
)
OPENED = SessionOpen(program="sshd", user="alice", pid=70, auid=1000, session=7)
ALICE = Person("alice", "kernel", 7, "198.51.100.7", "SHA256:k")


def record(body: Body, seq: int = 1, *, boot: str = "b1", agent: str = "a1") -> Record:
    return Record(agent, 1, boot, "web1", seq, 10, stamp(body, seq=seq, time=seq, mono=seq))


def person(engine: Attribution, body: Body) -> Person | None:
    return engine.attribute(record(body, 99)).person


@pytest.mark.parametrize("order", list(itertools.permutations((ACCEPTED, OPENED))))
def test_a_login_names_its_session_in_any_order(order: tuple[Body, ...]) -> None:
    engine = Attribution({})
    for seq, body in enumerate(order, start=1):
        engine.attribute(record(body, seq))
    assert person(engine, Exec(pid=80, uid=1000, auid=1000, session=7)) == ALICE
    assert person(engine, Exec(pid=81, uid=0, euid=0, auid=1000, session=7)) == ALICE, "root after sudo"


def test_sudo_and_su_do_not_change_the_person() -> None:
    engine = Attribution({})
    engine.attribute(record(ACCEPTED, 1))
    engine.attribute(record(OPENED, 2))
    engine.attribute(record(Sudo(program="sudo", user="alice", target="root", session=7, auid=1000), 3))
    engine.attribute(
        record(SessionOpen(program="sudo", user="root", pid=75, auid=1000, session=7, by="alice"), 4)
    )
    assert person(engine, Exec(pid=81, uid=0, auid=1000, session=7)) == ALICE


def test_a_rewritten_login_identity_stays_the_former_person() -> None:
    engine = Attribution({})
    engine.attribute(record(ACCEPTED, 1))
    engine.attribute(record(OPENED, 2))
    forged = IdentityChanged(
        actor=Actor(pid=90, uid=0, auid=1001, session=9), former_auid=1000, former_session=7
    )
    assert engine.attribute(record(forged, 3)).person == ALICE
    assert person(engine, Exec(pid=91, auid=1001, session=9)) == ALICE


def test_sessions_of_another_boot_or_host_are_others() -> None:
    engine = Attribution({})
    engine.attribute(record(ACCEPTED, 1))
    engine.attribute(record(OPENED, 2))
    later = Exec(pid=80, uid=1000, auid=1000, session=7)
    assert engine.attribute(record(later, 3, boot="b2")).person == Person("alice", "kernel", 7)
    assert engine.attribute(record(later, 3, agent="a2")).person == Person("uid 1000", "kernel", 7)


def test_without_login_identity_a_persons_uid_is_what_is_known() -> None:
    engine = Attribution({})
    assert person(engine, Exec(pid=80, uid=1000, user="carol")) == Person("carol", "uid")
    assert person(engine, Exec(pid=80, uid=33)) is None, "a service account is no person"
    assert person(engine, Exec(pid=80, uid=65_534)) is None
    assert person(engine, Exec(pid=80)) is None


def test_people_own_accounts_and_keys() -> None:
    engine = Attribution({"SHA256:k": "Alice Adams", "deploy": "Ops team"})
    engine.attribute(record(ACCEPTED, 1))
    engine.attribute(record(OPENED, 2))
    found = person(engine, Exec(pid=80, auid=1000, session=7))
    assert found is not None
    assert found.name == "Alice Adams"
    assert person(engine, Exec(pid=80, auid=1002, login="deploy")) == Person("Ops team", "kernel")


def test_a_login_before_its_session_is_known_by_its_key() -> None:
    engine = Attribution({})
    assert person(engine, ACCEPTED) == Person("alice", "key", None, "198.51.100.7", "SHA256:k")
    password = Accepted(program="sshd", user="bob", pid=71, method="password", source=HOME)
    assert person(engine, password) == Person("bob", "inferred", None, "198.51.100.7")
    assert person(engine, Failed(program="sshd", user="bob", source=HOME)) is None


def test_scheduled_sessions_are_not_a_persons() -> None:
    engine = Attribution({})
    engine.attribute(record(SessionOpen(program="cron", user="alice", pid=60, auid=1000, session=3), 1))
    job = engine.attribute(record(Exec(pid=61, auid=1000, session=3), 2))
    assert not is_interactive(engine.session(job))
    engine.attribute(record(ACCEPTED, 3))
    engine.attribute(record(OPENED, 4))
    shell = engine.attribute(record(Exec(pid=80, auid=1000, session=7), 5))
    assert is_interactive(engine.session(shell))


def test_a_session_remembers_its_end() -> None:
    engine = Attribution({})
    engine.attribute(record(OPENED, 1))
    closed = engine.attribute(
        record(SessionClose(program="sshd", user="alice", pid=70, auid=1000, session=7), 9)
    )
    session = engine.session(closed)
    assert session is not None
    assert (session.opened, session.closed) == (1, 9)
