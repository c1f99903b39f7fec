from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.decode.proc_files import Snapshot
from agent.processes import FORMER, LATE, TTL, ProcessTable, same_start
from evidence.kinds.process import Ancestor, Exec, Exit

TICK = 10_000_000


def snapshot(pid: int, start: int, exe: str = "/late", ppid: int = 0, parent: int | None = None) -> Snapshot:
    return Snapshot(
        pid=pid,
        start=start,
        ppid=ppid,
        parent_start=parent,
        tty=None,
        exe=exe,
        cwd=None,
        argv=(exe,),
        argv_length=None,
        uid=0,
        gid=0,
        euid=0,
        auid=None,
        session=None,
        cgroup=None,
        environment=None,
        unread=(),
        escaped=(),
    )


def nothing(_: int) -> Snapshot | None:
    return None


def test_names_who_a_pid_was_at_a_moment() -> None:
    table = ProcessTable(100, nothing)
    table.observe(Exec(pid=5, start=10, exe="/a", argv=("a", "b"), auid=1000, session=3), 11)
    table.observe(Exit(pid=5, start=10), 20)
    assert table.actor(5, 20 + LATE) == table.actor(5, 15)
    table.observe(Exec(pid=5, start=2 * LATE, exe="/b", auid=2000), 2 * LATE + 1)
    first, second = table.actor(5, 15), table.actor(5)
    assert first is not None
    assert (first.exe, first.cmd_line, first.auid, first.session, first.start) == ("/a", "a b", 1000, 3, 10)
    assert second is not None
    assert (second.exe, second.auid) == ("/b", 2000)
    assert table.actor(5, 21 + LATE) is None
    assert table.actor(6) is None


def test_a_process_that_executes_again_and_again_was_each_in_its_time() -> None:
    table = ProcessTable(100, nothing)
    programs = [f"/{number}" for number in range(FORMER + 3)]
    for number, exe in enumerate(programs):
        table.observe(Exec(pid=5, start=10, exe=exe), 20 + 10 * number)
    last = len(programs) - 1
    for number in range(last - FORMER, last + 1):
        actor = table.actor(5, 25 + 10 * number)
        assert actor is not None
        assert actor.exe == programs[number]
    now = 20 + 10 * last
    assert [one.exe for one in table.formers(5, now - 20, now)] == programs[-3:-1]
    assert table.formers(5, now, now + 10) == table.formers(6, 0, now) == ()


def test_what_a_process_has_become_is_told_of_those_that_executed_since() -> None:
    table = ProcessTable(100, nothing)
    table.observe(Exec(pid=5, start=10, exe="/bin/nc"), 20)
    assert table.became(5, 10, since=25, until=40) is None
    assert table.became(5, 10, since=15, until=40) == "/bin/nc", "what was forked has executed first"
    table.observe(Exec(pid=5, start=10, exe="/bin/sh"), 30)
    assert table.became(5, 10, since=25, until=40) == "/bin/sh"
    assert table.became(5, 10, since=25, until=28) is None
    assert table.became(5, 11, since=25, until=40) is None, "another process with this pid"


def test_a_process_was_what_it_ran_before_its_last_exec() -> None:
    table = ProcessTable(100, nothing)
    table.observe(Exec(pid=5, start=10, exe="/bin/sh"), 11)
    table.observe(Exec(pid=5, start=10, exe="/bin/curl"), 20)
    before, after = table.actor(5, 15), table.actor(5, 25)
    assert before is not None
    assert after is not None
    assert (before.exe, after.exe) == ("/bin/sh", "/bin/curl")


def test_never_trusts_an_entry_of_proc_that_is_younger_or_has_another_start() -> None:
    table = ProcessTable(100, lambda pid: snapshot(pid, 50 * TICK))
    assert table.actor(5, 49 * TICK) is None
    found = table.actor(5, 51 * TICK)
    assert found is not None
    assert found.exe == "/late"
    other = ProcessTable(100, lambda pid: snapshot(pid, 50 * TICK))
    other.observe(Exec(pid=9, start=60 * TICK + 1, ppid=5, parent_start=40 * TICK + 3), 1)
    assert other.ancestry(9, 60 * TICK + 1) == (Ancestor(pid=5, start=40 * TICK + 3),)


def test_an_ended_process_is_not_revived_by_proc() -> None:
    table = ProcessTable(100, lambda pid: snapshot(pid, TICK))
    table.observe(Exec(pid=5, start=TICK + 5, exe="/a"), TICK + 6)
    table.observe(Exit(pid=5, start=TICK + 5), 2 * TICK)
    assert table.actor(5) is None
    assert table.actor(5, 2 * TICK + LATE + 1) is None


def test_ancestry_goes_through_what_was_only_forked_and_what_ended_and_what_only_proc_knows() -> None:
    table = ProcessTable(100, lambda pid: snapshot(1, TICK, "/init") if pid == 1 else None)
    table.observe(Exec(pid=2, start=20, exe="/sshd", ppid=1, parent_start=TICK), 21)
    forks = (Ancestor(pid=4, start=40), Ancestor(pid=3, start=30), Ancestor(pid=2, start=20))
    table.observe(Exec(pid=5, start=50, exe="/id", ppid=4, parent_start=40, ancestry=forks), 51)
    table.observe(Exit(pid=2, start=20), 52)
    assert table.ancestry(5, 50) == (
        Ancestor(pid=4, start=40),
        Ancestor(pid=3, start=30),
        Ancestor(pid=2, start=20, exe="/sshd"),
        Ancestor(pid=1, start=TICK, exe="/init"),
    )


def test_ancestry_names_what_each_ancestor_runs_now() -> None:
    table = ProcessTable(100, nothing)
    table.observe(Exec(pid=2, start=20, exe="/sshd"), 21)
    table.observe(Exec(pid=3, start=30, exe="/bin/sh", ppid=2, parent_start=20), 31)
    for pid in (4, 5):
        table.observe(Exec(pid=pid, start=pid, exe="/id", ppid=3, parent_start=30), 40)
        assert [one.exe for one in table.ancestry(pid, pid)] == ["/bin/sh", "/sshd"]
    table.observe(Exec(pid=2, start=20, exe="/login"), 50)
    assert [one.exe for one in table.ancestry(5, 5)] == ["/bin/sh", "/login"]
    table.observe(Exec(pid=3, start=30, exe="/bin/python", ppid=2, parent_start=20), 51)
    assert [one.exe for one in table.ancestry(4, 4)] == ["/bin/python", "/login"]


def test_ancestry_that_ended_at_the_unknown_goes_on_once_it_is_known() -> None:
    table = ProcessTable(100, nothing)
    table.observe(Exec(pid=3, start=30, exe="/bin/sh", ppid=2, parent_start=20), 31)
    table.observe(Exec(pid=4, start=40, exe="/id", ppid=3, parent_start=30), 41)
    assert [one.exe for one in table.ancestry(4, 40)] == ["/bin/sh", None]
    table.observe(Exec(pid=2, start=20, exe="/sshd", ppid=1, parent_start=1), 42)
    assert [one.exe for one in table.ancestry(4, 40)] == ["/bin/sh", "/sshd", None]


def test_ancestry_stops_at_eight_even_in_a_circle() -> None:
    table = ProcessTable(100, nothing)
    table.observe(Exec(pid=1, start=1, ppid=1, parent_start=1), 1)
    assert len(table.ancestry(1, 1)) == 8


def test_ended_processes_go_after_a_while_and_the_counters_agree() -> None:
    table = ProcessTable(10_000, nothing)
    for pid in range(1, 101):
        table.observe(Exec(pid=pid, start=pid), pid)
        table.observe(Exit(pid=pid, start=pid), pid)
    assert (len(table), table.added, table.removed) == (100, 100, 0)
    table.observe(Exec(pid=999, start=999), 999)
    table.observe(Exit(pid=999, start=999), TTL + 1000)
    assert len(table) == table.added - table.removed == 1


EVENTS = st.lists(st.tuples(st.booleans(), st.integers(1, 40), st.integers(1, 40)), max_size=200)


@given(EVENTS)
def test_whatever_comes_the_table_stays_bounded_and_counts_right(events: list[tuple[bool, int, int]]) -> None:
    table = ProcessTable(16, lambda pid: snapshot(pid, TICK) if pid % 3 else None)
    for mono, (starts, pid, start) in enumerate(events):
        if starts:
            parent = Ancestor(pid=start, start=pid)
            table.observe(Exec(pid=pid, start=start, ppid=start, ancestry=(parent, parent)), mono)
        else:
            table.observe(Exit(pid=pid, start=start), mono)
        table.actor(start, mono)
        table.ancestry(pid, start)
        assert len(table) == table.added - table.removed <= 16


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_starts_agree_when_one_is_the_tick_of_the_other(one: int, other: int) -> None:
    assert same_start(one, one // TICK * TICK)
    assert same_start(one, other) == same_start(other, one)
    assert not same_start(one, one + TICK)
    assert not same_start(None, one)


def test_a_parent_that_is_gone_is_looked_up_once_and_still_learned_from_its_exec() -> None:
    looked: list[int] = []

    def look_up(pid: int) -> Snapshot | None:
        looked.append(pid)
        return None

    table = ProcessTable(100, look_up)
    for start in (30, 40):
        table.observe(Exec(pid=start, start=start, ppid=2, parent_start=20), start)
        assert table.ancestry(start, start) == (Ancestor(pid=2, start=20),)
    assert looked == [2]
    table.observe(Exec(pid=2, start=20, exe="/parent"), 50)
    assert table.ancestry(40, 40)[0] == Ancestor(pid=2, start=20, exe="/parent")
