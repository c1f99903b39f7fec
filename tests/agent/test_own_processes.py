"""The agent does not report itself, and nobody else can pass as it."""

from __future__ import annotations

from agent.own_processes import OwnProcesses
from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Listen
from evidence.kinds.dns import Query
from evidence.kinds.file import Create
from evidence.kinds.process import Exec, Exit


def listen(pid: int) -> Listen:
    return Listen(protocol="tcp", local=Endpoint(ip="::"), actor=Actor(pid=pid))


def test_what_the_agent_starts_is_its_own_until_it_ends() -> None:
    own = OwnProcesses({10})
    assert own.skip(Exec(pid=20, ppid=10))
    assert own.skip(Exec(pid=21, ppid=20))
    assert own.skip(listen(20))
    assert own.skip(Query(name="collector.example", type="A", actor=Actor(pid=20)))
    assert own.skip(Exit(pid=20))
    assert not own.skip(listen(20))
    assert not own.skip(Exec(pid=20, ppid=1))
    assert own.skipped == 5


def test_processes_beside_it_are_adopted() -> None:
    own = OwnProcesses({10})
    assert not own.skip(listen(11))
    own.adopt({11})
    assert own.skip(listen(11))


def test_files_the_agent_touches_are_reported() -> None:
    assert not OwnProcesses({10}).skip(Create(path="/etc/x", actor=Actor(pid=10)))


def test_the_table_is_bounded() -> None:
    own = OwnProcesses({10})
    for pid in range(100, 10_000):
        own.skip(Exec(pid=pid, ppid=10))
    assert not own.skip(listen(9_999))
    assert own.skip(listen(10))
