"""Joining lines, records and the kernel's audit session."""

from __future__ import annotations

from agent.decode.syslog import Line
from agent.decode.utmp import DEAD_PROCESS, USER_PROCESS, Record
from agent.kernel.login_identity import Identity
from agent.logins.login_table import BOUND, HOLD, RECORD_HOLD, SAME, LoginTable
from agent.sensor import Observed
from evidence.kind import Body
from evidence.kinds.login import Accepted, Disconnected, Failed, SessionClose, SessionOpen, Su

T = 1_795_322_486_000_000_000
ACCEPTED = "Accepted publickey for alice from 198.51.100.7 port 5 ssh2: ED25519 SHA256:k"
OPENED = "pam_unix(sshd:session): session opened for user alice(uid=1000) by (uid=0)"
CLOSED = "pam_unix(sshd:session): session closed for user alice"


def table(**known: Identity) -> LoginTable:
    return LoginTable(lambda pid: known.get(f"pid{pid}", Identity()))


def say(of: LoginTable, pid: int, message: str, program: str = "sshd", now: int = 0) -> list[Body]:
    return [seen.body for seen in of.take(Line(T, program, pid, message), now)]


def bodies(observed: list[Observed]) -> list[Body]:
    return [seen.body for seen in observed]


def test_accepted_waits_for_its_session_and_both_carry_the_audit_session() -> None:
    logins = table(pid9=Identity(1000, 4))
    assert say(logins, 9, ACCEPTED) == []
    assert logins.holding
    accepted, opened = say(logins, 9, OPENED)
    assert isinstance(accepted, Accepted)
    assert isinstance(opened, SessionOpen)
    assert (accepted.pid, accepted.uid, accepted.auid, accepted.session) == (9, 1000, 1000, 4)
    assert (opened.pid, opened.uid, opened.auid, opened.session) == (9, 1000, 1000, 4)
    assert not logins.holding


def test_accepted_without_a_session_is_released_after_the_hold() -> None:
    logins = table()
    say(logins, 9, ACCEPTED, now=1)
    assert logins.due(HOLD) == []
    (accepted,) = bodies(logins.due(HOLD + 1))
    assert isinstance(accepted, Accepted)
    assert (accepted.auid, accepted.session) == (None, None)


def test_the_end_keeps_the_identity_though_the_process_is_gone() -> None:
    known = {"pid9": Identity(1000, 4)}
    logins = LoginTable(lambda pid: known.get(f"pid{pid}", Identity()))
    say(logins, 9, ACCEPTED)
    say(logins, 9, OPENED)
    known.clear()
    (gone,) = say(logins, 12, "Disconnected from user alice 198.51.100.7 port 5")
    (closed,) = say(logins, 9, CLOSED)
    assert isinstance(gone, Disconnected)
    assert isinstance(closed, SessionClose)
    assert (gone.auid, gone.session, closed.auid, closed.session) == (1000, 4, 1000, 4)


def test_a_connection_that_ends_unheard_is_one_failure() -> None:
    logins = table()
    (failed,) = say(logins, 7, "Connection closed by authenticating user bob 203.0.113.5 port 9 [preauth]")
    assert isinstance(failed, Failed)
    assert (failed.user, failed.known, failed.count, failed.method) == ("bob", True, 1, None)


def test_a_connection_whose_failures_were_told_is_not_counted_again() -> None:
    logins = table()
    say(logins, 7, "Failed password for root from 203.0.113.5 port 9 ssh2")
    exceeded = (
        "error: maximum authentication attempts exceeded for root from 203.0.113.5 port 9 ssh2 [preauth]"
    )
    ended = "Disconnecting authenticating user root 203.0.113.5 port 9: Too many failures [preauth]"
    assert say(logins, 7, exceeded) + say(logins, 7, ended) == []
    assert len(say(logins, 8, exceeded) + say(logins, 8, ended)) == 1


def test_a_user_not_allowed_here_is_known_though_sshd_calls_him_invalid() -> None:
    logins = table()
    say(logins, 7, "User backup from 203.0.113.9 not allowed because not listed in AllowUsers")
    (failed,) = say(logins, 7, "Failed password for invalid user backup from 203.0.113.9 port 9 ssh2")
    assert isinstance(failed, Failed)
    assert failed.known is True


def record(kind: int, user: str, pid: int, time: int = T, line: str = "pts/0") -> Record:
    return Record(kind, pid, line, user, "", time, "198.51.100.7")


def test_wtmp_repeats_nothing_that_the_log_told() -> None:
    logins = table()
    say(logins, 9, ACCEPTED)
    say(logins, 9, OPENED)
    logins.take_record("wtmp", record(USER_PROCESS, "alice", 9), 0)
    logins.take_record("wtmp", record(DEAD_PROCESS, "", 9), 0)
    assert logins.due(RECORD_HOLD) == []


def test_wtmp_tells_what_the_log_does_not() -> None:
    logins = table(pid30=Identity(1001, 8))
    logins.take_record("wtmp", record(USER_PROCESS, "carol", 30, line="tty1"), 0)
    logins.take_record("wtmp", record(DEAD_PROCESS, "", 30, line="tty1"), 0)
    opened, closed = bodies(logins.due(RECORD_HOLD))
    assert isinstance(opened, SessionOpen)
    assert isinstance(closed, SessionClose)
    assert (opened.program, opened.user, opened.auid, opened.session) == ("wtmp", "carol", 1001, 8)
    assert (closed.user, closed.terminal) == ("carol", "tty1")


def test_btmp_repeats_no_failure_of_sshd_or_su() -> None:
    logins = table()
    say(logins, 7, "Failed password for root from 203.0.113.5 port 9 ssh2")
    (refused,) = say(logins, 8, "FAILED SU (to bob) alice on pts/0", "su")
    assert isinstance(refused, Su)
    for user, pid in (("root", 7), ("bob", 8)):
        logins.take_record("btmp", record(6, user, pid), 0)
    logins.take_record("btmp", record(6, "root", 99, T + SAME + 1), 0)
    (failed,) = bodies(logins.due(RECORD_HOLD))
    assert isinstance(failed, Failed)
    assert (failed.program, failed.pid) == ("btmp", 99)


def test_tables_are_bounded() -> None:
    logins = table()
    for pid in range(1, 2 * BOUND):
        say(logins, pid, ACCEPTED)
    assert len(logins.due(HOLD)) == BOUND
