"""The person follows the login identity, whatever order the events of a login arrive in."""

from __future__ import annotations

import itertools

import pytest

from collector.attribution.attribution import Attribution
from collector.organisation.known import Human, Known, Organisation
from collector.record import Origin, Person
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


def show(
    engine: Attribution, body: Body, seq: int = 1, *, boot: str = "b1", agent: str = "a1"
) -> Person | None:
    origin = Origin(agent, 1, boot, "web1", seq, 10)
    return engine.attribute(origin, stamp(body, seq=seq, time=seq, mono=seq))


def person(engine: Attribution, body: Body) -> Person | None:
    return show(engine, body, 99)


@pytest.mark.parametrize("order", list(itertools.permutations((ACCEPTED, OPENED))))
def test_a_login_names_its_session_in_any_order(order: tuple[Body, ...]) -> None:
    engine = Attribution()
    for seq, body in enumerate(order, start=1):
        show(engine, body, seq)
    assert person(engine, Exec(pid=80, uid=1000, auid=1000, session=7)) == ALICE
    assert person(engine, Exec(pid=81, uid=0, euid=0, auid=1000, session=7)) == ALICE, "root after sudo"


def test_sudo_and_su_do_not_change_the_person() -> None:
    engine = Attribution()
    show(engine, ACCEPTED, 1)
    show(engine, OPENED, 2)
    show(engine, Sudo(program="sudo", user="alice", target="root", session=7, auid=1000), 3)
    show(engine, SessionOpen(program="sudo", user="root", pid=75, auid=1000, session=7, by="alice"), 4)
    assert person(engine, Exec(pid=81, uid=0, auid=1000, session=7)) == ALICE


def test_a_rewritten_login_identity_stays_the_former_person() -> None:
    engine = Attribution()
    show(engine, ACCEPTED, 1)
    show(engine, OPENED, 2)
    forged = IdentityChanged(
        actor=Actor(pid=90, uid=0, auid=1001, session=9), former_auid=1000, former_session=7
    )
    assert show(engine, forged, 3) == ALICE
    assert person(engine, Exec(pid=91, auid=1001, session=9)) == ALICE


def test_sessions_of_another_boot_or_host_are_others() -> None:
    engine = Attribution()
    show(engine, ACCEPTED, 1)
    show(engine, OPENED, 2)
    later = Exec(pid=80, uid=1000, auid=1000, session=7)
    assert show(engine, later, 3, boot="b2") == Person("alice", "kernel", 7)
    assert show(engine, later, 3, agent="a2") == Person("uid 1000", "kernel", 7)


def test_without_login_identity_a_persons_uid_is_what_is_known() -> None:
    engine = Attribution()
    assert person(engine, Exec(pid=80, uid=1000, user="carol")) == Person("carol", "uid")
    assert person(engine, Exec(pid=80, uid=33)) is None, "a service account is no person"
    assert person(engine, Exec(pid=80, uid=65_534)) is None
    assert person(engine, Exec(pid=80)) is None


def test_people_own_accounts_and_keys() -> None:
    engine = Attribution(
        Known(Organisation((Human("Alice Adams", keys=("SHA256:k",)), Human("Ops team", ("deploy",)))))
    )
    show(engine, ACCEPTED, 1)
    show(engine, OPENED, 2)
    found = person(engine, Exec(pid=80, auid=1000, session=7))
    assert found is not None
    assert found.name == "Alice Adams"
    assert person(engine, Exec(pid=80, auid=1002, login="deploy")) == Person("Ops team", "kernel")


def test_a_login_before_its_session_is_known_by_its_key() -> None:
    engine = Attribution()
    assert person(engine, ACCEPTED) == Person("alice", "key", None, "198.51.100.7", "SHA256:k")
    password = Accepted(program="sshd", user="bob", pid=71, method="password", source=HOME)
    assert person(engine, password) == Person("bob", "inferred", None, "198.51.100.7")
    assert person(engine, Failed(program="sshd", user="bob", source=HOME)) is None


def test_a_session_remembers_its_end() -> None:
    engine = Attribution()
    show(engine, OPENED, 1)
    show(engine, SessionClose(program="sshd", user="alice", pid=70, auid=1000, session=7), 9)
    (session,) = engine.state.sessions.sessions.values()
    assert (session.opened, session.closed) == (1, 9)
