"""Interactive sessions ride priority, within their quota."""

from __future__ import annotations

from agent.governing.interactive import InteractiveSessions
from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Open
from evidence.kinds.login import Accepted
from evidence.kinds.process import Ancestor, Exec, Exit

MINUTE = 60_000_000_000


def connection(session: int | None) -> Open:
    end = Endpoint(ip="::1", port=1)
    actor = Actor(pid=1, session=session)
    return Open(flow=1, protocol="tcp", direction="out", local=end, remote=end, actor=actor)


def test_a_session_with_a_terminal_rides_priority_and_so_do_its_connections() -> None:
    sessions = InteractiveSessions(10)
    assert sessions.lane(connection(5), 0) == "bulk"
    assert sessions.lane(Exec(pid=1, session=5, tty="pts/0"), 0) == "priority"
    assert sessions.lane(Exec(pid=2, session=5), 0) == "priority"
    assert sessions.lane(connection(5), 0) == "priority"
    assert sessions.lane(connection(6), 0) == "bulk"
    assert sessions.lane(Exit(pid=1, session=5), 0) == "bulk"


def test_sshd_born_sessions_are_interactive_without_a_terminal() -> None:
    sessions = InteractiveSessions(10)
    born = Exec(pid=1, session=7, ancestry=(Ancestor(pid=2, exe="/usr/sbin/sshd"),))
    assert sessions.lane(born, 0) == "priority"
    assert sessions.lane(Accepted(program="sshd", user="a", session=8), 0) == "priority"
    assert sessions.lane(Exec(pid=3, session=8), 0) == "priority"


def test_a_terminal_without_an_audit_session_is_bulk() -> None:
    assert InteractiveSessions(10).lane(Exec(pid=1, tty="pts/0"), 0) == "bulk"


def test_a_noisy_session_falls_to_bulk_until_its_next_minute_and_no_other_does() -> None:
    sessions = InteractiveSessions(3)
    noisy, calm = Exec(pid=1, session=5, tty="pts/0"), Exec(pid=1, session=6, tty="pts/1")
    assert [sessions.lane(noisy, 0) for _ in range(5)] == ["priority"] * 3 + ["bulk"] * 2
    assert sessions.lane(calm, 0) == "priority"
    assert sessions.lane(noisy, MINUTE) == "priority"


def test_the_table_is_bounded() -> None:
    sessions = InteractiveSessions(3)
    for session in range(10_000):
        sessions.lane(Exec(pid=1, session=session, tty="pts/0"), 0)
    assert sessions.lane(Exec(pid=1, session=0), 0) == "bulk"
    assert sessions.lane(Exec(pid=1, session=9_999), 0) == "priority"
