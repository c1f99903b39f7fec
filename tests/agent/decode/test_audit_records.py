"""Audit records → execs: interleaved, in parts, in hexadecimal, cut, and whatever else comes."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from agent.decode.audit import (
    CWD,
    END,
    EXECVE,
    IN_FLIGHT,
    SYSCALL,
    WINDOW,
    Assembly,
    Record,
    exec_of,
    parse,
    with_snapshot,
)
from agent.decode.proc_files import Snapshot
from evidence.kinds.process import Exec

CALL = (
    b"arch=c000003e syscall=59 success=yes exit=0 a0=55 a1=56 items=2 ppid=700 pid=701 auid=1000 uid=0 gid=0 "
    b'euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=7 comm="tar" exe="/usr/bin/tar" key="exec"'
)


def datagram(kind: int, serial: int, text: bytes) -> bytes:
    body = b"audit(1790000000.250:%d): %s" % (serial, text)
    return struct.pack("=IHHII", len(body), kind, 0, 0, 0) + body + b"\0\n"


def event(serial: int, *arguments: bytes, call: bytes = CALL) -> list[bytes]:
    words = b" ".join([b"argc=%d" % len(arguments), *arguments])
    return [
        datagram(SYSCALL, serial, call),
        datagram(EXECVE, serial, words),
        datagram(CWD, serial, b'cwd="/srv"'),
        datagram(END, serial, b""),
    ]


def snapshot(ppid: int) -> Snapshot:
    return Snapshot(
        pid=701,
        ppid=ppid,
        start=5,
        parent_start=3,
        tty=None,
        exe=None,
        cwd=None,
        argv=(),
        argv_length=None,
        uid=0,
        gid=0,
        euid=0,
        auid=None,
        session=None,
        cgroup="/x",
        environment=None,
        unread=(),
        escaped=(),
    )


def record(raw: bytes) -> Record:
    found = parse(raw)
    assert found is not None
    return found


def whole(*raws: bytes) -> list[list[Record]]:
    assembly = Assembly()
    return [event for raw in raws for event in assembly.add(record(raw), 0)]


def test_an_exec_has_argv_identity_and_time() -> None:
    ((*records,),) = whole(*event(1, b'a0="tar"', b'a1="a b"', b"a2=2F7372762FE9"))
    body = exec_of(records)
    assert body == Exec(
        pid=701,
        ppid=700,
        exe="/usr/bin/tar",
        cwd="/srv",
        argv=("tar", "a b", "/srv/\\xe9"),
        argv_length=15,
        uid=0,
        gid=0,
        euid=0,
        auid=1000,
        session=7,
        tty="pts0",
        escaped=("argv",),
        missing=("start", "parent_start", "cgroup", "environment"),
    )
    assert records[0].time == 1_790_000_000_250_000_000


def test_events_that_interleave_are_told_apart() -> None:
    one, two = event(1, b'a0="one"'), event(2, b'a0="two"')
    mixed = [raw for pair in zip(one, two, strict=True) for raw in pair]
    assert [body.argv for records in whole(*mixed) if (body := exec_of(records))] == [("one",), ("two",)]


def test_an_argument_in_parts_is_joined_and_a_long_one_cut() -> None:
    long = [datagram(EXECVE, 1, b"a1_len=9000 a1[%d]=%s" % (at, b"41" * 3000)) for at in range(3)]
    head = [datagram(SYSCALL, 1, CALL), datagram(EXECVE, 1, b'argc=2 a0="tar"')]
    ((*records,),) = whole(*head, *long, datagram(END, 1, b""))
    body = exec_of(records)
    assert body is not None
    assert body.argv == ("tar", "A" * 4092)
    assert body.argv_length == 4 + 9001


def test_what_never_ends_is_given_out_after_the_window_or_when_too_many_wait() -> None:
    assembly = Assembly()
    assert list(assembly.add(record(event(1, b'a0="x"')[0]), 0)) == []
    assert [len(parts) for parts in assembly.expire(WINDOW)] == [1]
    for serial in range(IN_FLIGHT):
        assert list(assembly.add(record(event(serial, b'a0="x"')[0]), 0)) == []
    assert len(list(assembly.add(record(event(99, b'a0="x"')[0]), 0))) == 1
    assert assembly.cut == 2


def test_a_failed_or_foreign_call_is_no_exec() -> None:
    failed = CALL.replace(b"success=yes", b"success=no")
    assert [exec_of(records) for records in whole(*event(1, b'a0="x"', call=failed))] == [None]
    assert exec_of([record(datagram(SYSCALL, 1, CALL))]) is None


def test_unset_identities_are_unknown() -> None:
    unset = CALL.replace(b"auid=1000", b"auid=4294967295").replace(b"ses=7", b"ses=4294967295")
    ((*records,),) = whole(*event(1, b'a0="x"', call=unset.replace(b"tty=pts0", b"tty=(none)")))
    body = exec_of(records)
    assert body is not None
    assert (body.auid, body.session, body.tty) == (None, None, None)


def test_what_proc_still_tells_is_named_late_and_only_of_the_same_process() -> None:
    body = Exec(pid=701, ppid=700, missing=("start", "parent_start", "cgroup", "environment"))
    late = with_snapshot(body, snapshot(700))
    assert (late.start, late.cgroup, late.late) == (5, "/x", body.missing)
    assert with_snapshot(body, snapshot(9)) is body
    assert with_snapshot(body, None) is body


@given(
    st.lists(
        st.tuples(
            st.sampled_from((SYSCALL, EXECVE, CWD, END, 1327)), st.integers(0, 3), st.binary(max_size=80)
        )
    )
)
def test_nothing_that_comes_raises(said: list[tuple[int, int, bytes]]) -> None:
    assembly = Assembly()
    for kind, serial, text in said:
        found = parse(datagram(kind, serial, text))
        for records in () if found is None else assembly.add(found, serial):
            exec_of(records)


@given(st.binary(max_size=120))
def test_no_datagram_raises(raw: bytes) -> None:
    parse(raw)
