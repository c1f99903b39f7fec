"""The process sensor on this machine's kernel."""

from __future__ import annotations

import ctypes
import os
import secrets
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent.sensors.process import SENSOR
from evidence.kinds.process import Exec, Exit
from evidence.text import to_bytes
from tests.agent.feeds_at_work import Watched, moment, on_cpu, opened, run, rung_of

pytestmark = pytest.mark.root

BPF, CONNECTOR = rung_of(SENSOR, "bpf"), rung_of(SENSOR, "connector")


def exec_of(watched: Watched, pid: int) -> Exec:
    body = watched.until(lambda one: isinstance(one, Exec) and one.pid == pid)
    assert isinstance(body, Exec)
    return body


def exit_of(watched: Watched, pid: int) -> Exit:
    body = watched.until(lambda one: isinstance(one, Exit) and one.pid == pid)
    assert isinstance(body, Exit)
    return body


def test_two_thousand_execs_each_exactly_once(tmp_path: Path) -> None:
    mark = secrets.token_hex(8)
    wanted = {("/bin/true", mark, str(number)) for number in range(2000)}
    with opened(BPF, tmp_path) as watched:

        def storm() -> None:
            for _, _, number in sorted(wanted):
                run("/bin/true", mark, number)

        thread = threading.Thread(target=storm)
        thread.start()
        last = max(wanted)
        while thread.is_alive():
            watched.until(lambda _: True)
            watched.read()
        thread.join()
        watched.until(lambda body: isinstance(body, Exec) and body.argv == last)
        found = [
            one.body.argv for one in watched.seen if isinstance(one.body, Exec) and mark in one.body.argv
        ]
        assert len(found) == len(wanted)
        assert set(found) == wanted
        assert list(watched.feed.losses(moment())) == []


def test_tells_who_where_and_from_whom(tmp_path: Path) -> None:
    with opened(BPF, tmp_path) as watched:
        child = subprocess.Popen(["/bin/sleep", "0"], cwd=tmp_path)
        child.wait()
        body = exec_of(watched, child.pid)
        ended = exit_of(watched, child.pid)
    assert body.argv == ("/bin/sleep", "0")
    assert body.argv_length == len(b"/bin/sleep\0000\0")
    assert body.exe == os.path.realpath("/bin/sleep")
    assert body.cwd == str(tmp_path)
    assert (body.ppid, body.uid, body.euid, body.gid) == (os.getpid(), os.getuid(), os.geteuid(), os.getgid())
    own = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    assert body.parent_start is not None
    assert body.parent_start // 10_000_000 == own
    assert body.missing == ()
    assert body.late == ()
    assert (ended.start, ended.code, ended.signal) == (body.start, 0, None)
    assert ended.duration is not None
    assert ended.cpu is not None
    assert ended.cpu > 0


@pytest.mark.parametrize(("script", "code", "signal"), [("exit 7", 7, None), ("kill -9 $$", None, 9)])
def test_tells_how_it_ended(script: str, code: int | None, signal: int | None, tmp_path: Path) -> None:
    with opened(BPF, tmp_path) as watched:
        ended = exit_of(watched, run("/bin/sh", "-c", script))
    assert (ended.code, ended.signal) == (code, signal)


def test_arguments_need_not_be_text(tmp_path: Path) -> None:
    raw = b"\xff\\x41\xc3"
    with opened(BPF, tmp_path) as watched:
        body = exec_of(watched, run("/bin/true", raw, "caf\u00e9"))
    assert body.escaped == ("argv",)
    assert [to_bytes(text, escaped=True) for text in body.argv[1:]] == [raw, "caf\u00e9".encode()]


def test_long_arguments_are_cut_and_their_length_told(tmp_path: Path) -> None:
    arguments = ["x" * 1000] * 20
    with opened(BPF, tmp_path) as watched:
        body = exec_of(watched, run("/bin/true", *arguments))
    assert body.argv_length == len("/bin/true") + 1 + 20 * 1001
    assert body.argv[:5] == ("/bin/true", *arguments[:4])
    assert sum(len(text) + 1 for text in body.argv) <= 4097
    assert body.argv[-1] == "x" * len(body.argv[-1])


def test_a_program_without_a_path_shows_as_the_kernel_names_it(tmp_path: Path) -> None:
    descriptor = os.memfd_create("ghost")
    os.write(descriptor, Path("/bin/true").read_bytes())
    with opened(BPF, tmp_path) as watched:
        body = exec_of(watched, run(f"/proc/{os.getpid()}/fd/{descriptor}"))
    os.close(descriptor)
    assert body.exe == "/memfd:ghost (deleted)"


def test_a_path_of_forty_folders_is_read_whole(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*(f"d{number}" for number in range(40)))
    deep.mkdir(parents=True)
    program = deep / "true"
    program.write_bytes(Path("/bin/true").read_bytes())
    program.chmod(0o755)
    with opened(BPF, tmp_path) as watched:
        assert exec_of(watched, run(str(program))).exe == str(program)


def test_a_path_too_long_is_missing_not_cut(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*("d" * 200 for _ in range(8)))
    deep.mkdir(parents=True)
    program = deep / "true"
    program.write_bytes(Path("/bin/true").read_bytes())
    program.chmod(0o755)
    with opened(BPF, tmp_path) as watched:
        body = exec_of(watched, run(str(program)))
    assert body.exe is None
    assert "exe" in body.missing


def test_login_uid_and_audit_session_are_carried(tmp_path: Path) -> None:
    script = "echo 4242 > /proc/self/loginuid && exec /bin/true"
    with opened(BPF, tmp_path) as watched:
        child = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=False)
        if child.returncode:
            pytest.skip(f"this kernel lets nobody set its login uid: {child.stderr.decode()}")
        seen = watched.until(
            lambda one: isinstance(one, Exec) and one.auid == 4242 and one.argv == ("/bin/true",)
        )
        assert isinstance(seen, Exec)
        ended = exit_of(watched, seen.pid)
    assert seen.session is not None
    assert (ended.auid, ended.session) == (4242, seen.session)


def test_unknown_login_identity_is_none(tmp_path: Path) -> None:
    if Path("/proc/self/loginuid").read_text() != "4294967295":
        pytest.skip("this test itself runs in a login session")
    with opened(BPF, tmp_path) as watched:
        body = exec_of(watched, run("/bin/true"))
    assert (body.auid, body.session) == (None, None)


def test_what_was_only_forked_stands_in_the_ancestry(tmp_path: Path) -> None:
    with opened(BPF, tmp_path) as watched:
        child = subprocess.Popen(["/bin/sh", "-c", "( ( /bin/true forked; : ); : ); :"])
        child.wait()
        body = watched.until(lambda one: isinstance(one, Exec) and one.argv == ("/bin/true", "forked"))
    assert isinstance(body, Exec)
    assert body.ancestry[0].pid == body.ppid
    assert body.ancestry[-1].pid == child.pid


def test_a_process_of_many_threads_ends_once(tmp_path: Path) -> None:
    script = (
        "import threading,os\nfor _ in range(8): threading.Thread(target=lambda: None).start()\nos._exit(3)"
    )
    with opened(BPF, tmp_path) as watched:
        pid = run(sys.executable, "-S", "-c", script)
        watched.until(lambda one: isinstance(one, Exit) and one.pid == pid)
        last = run("/bin/true")
        exit_of(watched, last)
        ends = [one.body for one in watched.seen if isinstance(one.body, Exit) and one.body.pid == pid]
    assert [end.code for end in ends] == [3]


def test_a_leader_that_ends_before_its_threads_is_not_the_end(tmp_path: Path) -> None:
    script = (
        "import ctypes,threading,time,os\n"
        "threading.Thread(target=lambda: (time.sleep(0.3), os._exit(5))).start()\n"
        "ctypes.CDLL(None).syscall(60, 0)"
    )
    with opened(BPF, tmp_path) as watched:
        ended = exit_of(watched, run(sys.executable, "-S", "-c", script))
    assert ended.code == 5
    assert ended.duration is not None
    assert ended.duration >= 300_000_000


def test_the_connector_marks_what_vanished_and_never_guesses(tmp_path: Path) -> None:
    with opened(CONNECTOR, tmp_path) as watched:
        pid = run("/bin/true", "gone")  # reaped before the feed is read
        body = exec_of(watched, pid)
        ended = exit_of(watched, pid)
    assert body == Exec(pid=pid, missing=body.missing)
    assert {"start", "argv", "exe", "uid", "auid"} <= set(body.missing)
    assert (ended.code, ended.start) == (0, None)


def test_the_connector_names_what_it_read_late(tmp_path: Path) -> None:
    with opened(CONNECTOR, tmp_path) as watched:
        child = subprocess.Popen(["/bin/sleep", "30"])
        body = exec_of(watched, child.pid)
        child.kill()
        child.wait()
        ended = exit_of(watched, child.pid)
    assert body.argv == ("/bin/sleep", "30")
    assert {"start", "argv", "exe", "uid"} <= set(body.late)
    assert body.missing == ()
    assert (ended.start, ended.signal, ended.exe) == (body.start, 9, body.exe)


def test_the_connector_counts_what_its_buffer_could_not_take(tmp_path: Path) -> None:
    with opened(CONNECTOR, tmp_path) as watched:
        feed = watched.feed
        number = feed.filenos()[0]
        small = ctypes.c_int(2304)
        assert ctypes.CDLL(None).setsockopt(number, 1, 8, ctypes.byref(small), 4) == 0
        with on_cpu(min(os.sched_getaffinity(0))):  # each CPU numbers its own events
            for _ in range(200):
                run("/bin/true")
            watched.read()
            run("/bin/true")  # the next number after the hole
            watched.read()
        losses = list(feed.losses(moment()))
    assert [loss.cause for loss in losses] == ["netlink_overrun"]
    assert losses[0].count is not None
    assert losses[0].count > 0
