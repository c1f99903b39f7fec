"""identity.changed: told when nobody logged in, and only then."""

from __future__ import annotations

from agent.gathered import Gathered
from agent.identity_watch import PATIENCE, IdentityWatch, LoginSeen, Suspect
from evidence.kinds.login import Accepted, SessionOpen
from evidence.kinds.process import Ancestor, Exec, Exit

SHELL = Exec(pid=10, start=1, exe="/bin/bash", auid=1000, session=5)


def child(pid: int = 20, **identity: int | None) -> Exec:
    values: dict[str, int | None] = {"auid": 1000, "session": 5, **identity}
    return Exec(
        pid=pid,
        start=pid,
        ppid=10,
        parent_start=1,
        exe="/bin/ls",
        auid=values["auid"],
        session=values["session"],
    )


def told(*bodies: Exec | Exit | Accepted | SessionOpen) -> list[tuple[int | None, int | None, int | None]]:
    watch = IdentityWatch()
    for at, body in enumerate(bodies):
        watch.observe(body, at)
    assert watch.due(PATIENCE - 1) == []
    found = watch.due(PATIENCE + len(bodies))
    return [(one.actor.auid, one.former_auid, one.former_session) for one in found]


def test_an_inherited_identity_is_silent() -> None:
    assert told(SHELL, child(), child(21)) == []


def test_a_rewritten_login_uid_is_told_with_the_former() -> None:
    assert told(SHELL, child(auid=1001, session=6)) == [(1001, 1000, 5)]


def test_a_new_session_of_the_same_uid_is_told_too() -> None:
    assert told(SHELL, child(session=6)) == [(1000, 1000, 5)]


def test_a_removed_identity_is_told() -> None:
    assert told(SHELL, child(auid=None, session=None)) == [(None, 1000, 5)]


def test_a_process_that_changes_itself_between_two_execs_is_told() -> None:
    forged = Exec(pid=10, start=1, ppid=9, exe="/bin/bash", auid=1001, session=6)
    assert told(SHELL, forged) == [(1001, 1000, 5)]


def test_it_is_told_once_not_for_each_descendant() -> None:
    grandchild = Exec(pid=30, start=30, ppid=20, parent_start=20, exe="/bin/ls", auid=1001, session=6)
    assert len(told(SHELL, child(auid=1001, session=6), grandchild)) == 1


def test_a_parent_without_identity_explains_nothing_and_needs_nothing() -> None:
    daemon = Exec(pid=10, start=1, exe="/usr/sbin/apache2")
    assert told(daemon, child(auid=1001, session=6)) == []


def test_programs_that_log_people_in_explain_it() -> None:
    for exe in ("/usr/sbin/sshd", "/usr/sbin/cron", "/usr/bin/login", "/usr/lib/openssh/sshd-session"):
        parent = Exec(pid=10, start=1, exe=exe, auid=1000, session=5)
        assert told(parent, child(auid=1001, session=6)) == []
    fake = Exec(pid=10, start=1, exe="/tmp/sshd", auid=1000, session=5)  # noqa: S108 - an attacker's place
    assert len(told(fake, child(auid=1001, session=6))) == 1


def test_a_login_event_of_that_session_explains_it_before_or_after() -> None:
    login = SessionOpen(program="su", user="bob", session=6)
    assert told(SHELL, login, child(auid=1001, session=6)) == []
    assert told(SHELL, child(auid=1001, session=6), login) == []
    other = SessionOpen(program="su", user="bob", session=7)
    assert len(told(SHELL, child(auid=1001, session=6), other)) == 1


def test_a_login_event_without_session_explains_by_uid() -> None:
    assert told(SHELL, child(auid=1001, session=6), Accepted(program="sshd", user="b", uid=1001)) == []
    assert len(told(SHELL, child(auid=1001, session=6), Accepted(program="sshd", user="b"))) == 1


def test_a_reused_pid_is_no_parent() -> None:
    other = Exec(pid=10, start=77, exe="/bin/bash", auid=1003, session=9)
    assert told(SHELL, other, child(auid=1001, session=6)) == []
    assert told(SHELL, Exit(pid=10), child(auid=1001, session=6)) == []


def test_what_could_not_be_read_is_no_change() -> None:
    unread = Exec(pid=20, start=20, ppid=10, parent_start=1, missing=("auid",))
    assert told(SHELL, unread) == []


def behind_subshell(pid: int, auid: int, *, parent: int = 15) -> Exec:
    """Return a program run by `parent`, which was forked from the shell and executed nothing itself."""
    line = (Ancestor(pid=parent, start=parent), Ancestor(pid=10, start=1, exe="/bin/bash"))
    return Exec(
        pid=pid,
        start=pid,
        ppid=parent,
        parent_start=parent,
        ancestry=line,
        exe="/bin/ls",
        auid=auid,
        session=auid - 995,
    )


def test_a_change_behind_a_parent_that_only_forked_is_told() -> None:
    assert told(SHELL, behind_subshell(20, 1000)) == []
    assert told(SHELL, behind_subshell(20, 1001)) == [(1001, 1000, 5)]


def test_a_forked_parent_that_changed_is_told_once_and_another_one_again() -> None:
    first, second = behind_subshell(20, 1001), behind_subshell(21, 1001)
    assert len(told(SHELL, first, second)) == 1
    assert len(told(SHELL, first, behind_subshell(21, 1002))) == 2
    assert len(told(SHELL, first, behind_subshell(21, 1001, parent=16))) == 2


def test_a_forked_child_of_a_login_program_is_explained() -> None:
    cron = Exec(pid=10, start=1, exe="/usr/sbin/cron", auid=1000, session=5)
    assert told(cron, behind_subshell(20, 1001)) == []


def test_an_ancestor_whose_pid_was_reused_is_passed_over() -> None:
    other = Exec(pid=15, start=77, exe="/bin/bash", auid=1003, session=9)
    assert told(SHELL, other, behind_subshell(20, 1001)) == [(1001, 1000, 5)]
    assert told(SHELL, Exec(pid=10, start=77, auid=1003), behind_subshell(20, 1001)) == []


def test_what_waits_is_judged_at_a_stop_and_outlives_a_kill() -> None:
    suspects, logins = Gathered(Suspect), Gathered(LoginSeen)
    killed = IdentityWatch(suspects, logins)
    for body in (SHELL, child(auid=1001, session=6), child(21, auid=1002, session=7)):
        killed.observe(body, 3)
    killed.observe(SessionOpen(program="su", user="bob", session=7), 4)
    after = IdentityWatch(Gathered(Suspect, suspects.changes()), Gathered(LoginSeen, logins.changes()))
    assert after.due(PATIENCE) == []
    assert after.waiting
    assert [one.actor.auid for one in after.rest()] == [1001]
    assert after.rest() == []
    assert [one.actor.auid for one in killed.due(PATIENCE + 3)] == [1001]
    assert len(suspects) == 0


def test_changes_beyond_what_can_wait_are_told_early() -> None:
    watch = IdentityWatch()
    watch.observe(SHELL, 0)
    for pid in range(20, 1046):
        watch.observe(child(pid, auid=1001, session=pid), 1)
    assert [one.actor.pid for one in watch.due(2)] == [20, 21]
