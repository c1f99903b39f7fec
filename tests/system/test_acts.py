"""Security-relevant acts on this machine's kernel: every rung that loads sees the act of another process."""

from __future__ import annotations

import os
import re
import select
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.errors import RungUnavailable
from agent.feeds import acts_trigger
from agent.kernel.bpf_object import BpfObject
from agent.kernel.procfs import read_process
from agent.kernel.refusals import Refusals
from agent.processes import ProcessTable
from agent.sensor import Context, Gathering, Rung, Sensor
from agent.sensors import bpf, credentials, io_uring, module, mount, namespace, ptrace, unix
from agent.settings import Acts, Settings
from evidence.kinds import act
from tests.agent.feeds_at_work import moment, opened, rung_of
from tests.system.acts_at_work import act_of, another, target

pytestmark = pytest.mark.root

SENSORS = (bpf, credentials, io_uring, module, mount, namespace, ptrace, unix)
EVERY_RUNG = [
    pytest.param(one.SENSOR, rung, id=f"{one.SENSOR.name}-{rung.name}")
    for one in SENSORS
    for rung in one.SENSOR.rungs
]
HOOKS = [one for one in EVERY_RUNG if not str(one.id).endswith("-poll")]
KINDS: dict[str, type[act.Act]] = {
    "bpf": act.Program,
    "credentials": act.Credentials,
    "io_uring": act.Ring,
    "module": act.Module,
    "mount": act.Mount,
    "namespace": act.Enter,
    "ptrace": act.Ptrace,
    "unix": act.UnixSocket,
}
ACTS = {
    "bpf": "load_program",
    "credentials": "raise_credentials",
    "io_uring": "set_up_ring",
    "module": "ask_for_module",
    "mount": "make_mounts_private",
    "namespace": "leave_mounts",
    "ptrace": "trace_child",
    "unix": "connect_to_probe",
}


def with_syscalls(rung: Rung) -> Rung:
    """Return the rung as it is where hooks on system calls are configured."""
    allowed = Acts(syscalls=True)

    def open_it(around: Context) -> Any:
        return rung.open(msgspec.structs.replace(around, settings=Settings(acts=allowed)))

    return Rung(rung.name, open_it)


@pytest.mark.parametrize(("sensor", "rung"), EVERY_RUNG)
def test_every_rung_sees_its_own_trigger_again_and_again(sensor: Sensor, rung: Rung, tmp_path: Path) -> None:
    with opened(with_syscalls(rung), tmp_path) as watched:
        if (absent := sensor.absent()) is not None:
            pytest.skip(absent)
        for _ in range(2):
            accept = watched.feed.trigger()
            assert isinstance(watched.until(accept), KINDS[sensor.name])
            watched.seen.clear()
        causes = {loss.cause for loss in watched.feed.losses(moment())}
        assert causes <= {"rate_limited"}, "others on this host may do too much"


@pytest.mark.parametrize(("sensor", "rung"), HOOKS)
def test_every_hook_names_the_process_that_acts(sensor: Sensor, rung: Rung, tmp_path: Path) -> None:
    if (sensor.name, rung.name) == ("credentials", "tp"):
        pytest.skip("it compares with an exec: see test_powers_that_no_exec_gave_are_told")
    if (absent := sensor.absent()) is not None:
        pytest.skip(absent)
    script = (
        "from pathlib import Path\nfrom agent.feeds import acts_trigger\n"
        f"acts_trigger.{ACTS[sensor.name]}(Path(sys.argv[1]))"
    )
    with opened(with_syscalls(rung), tmp_path) as watched, another(script, str(tmp_path)) as child:
        found = act_of(watched, KINDS[sensor.name], child.pid, lambda _: True)
        own = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    assert found.actor.exe == os.path.realpath(sys.executable)
    assert found.actor.start // 10_000_000 == int(own[19])
    assert found.actor.uid == os.getuid()
    assert found.actor.auid == known(Path("/proc/self/loginuid"))


def known(path: Path) -> int | None:
    value = int(path.read_text())
    return None if value == 0xFFFFFFFF else value


def best(sensor: Sensor) -> Iterator[Rung]:
    yield from (rung for rung in sensor.rungs if rung.name not in ("poll", "syscall"))


def each_hook(sensor: Sensor) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("rung", [pytest.param(one, id=one.name) for one in best(sensor)])


def test_powers_that_no_exec_gave_are_told(tmp_path: Path) -> None:
    rung = rung_of(credentials.SENSOR, "tp")
    script = (
        "from pathlib import Path\nfrom agent.feeds import acts_trigger\n"
        "acts_trigger.raise_after_exec(Path(sys.argv[1]))"
    )
    with opened(rung, tmp_path) as watched, another(script, str(tmp_path)):
        found = watched.until(lambda body: isinstance(body, act.Credentials))
    assert isinstance(found, act.Credentials)
    assert (found.former_euid, found.euid, found.done) == (65_534, 0, True)


@each_hook(mount.SENSOR)
def test_acts_of_the_last_moment_before_a_stop_are_told(rung: Rung, tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\nfrom agent.feeds import acts_trigger\n"
        "acts_trigger.make_mounts_private(Path(sys.argv[1]))"
    )
    with opened(rung, tmp_path) as watched, another(script, str(tmp_path)) as child:
        assert isinstance(watched.feed, Gathering)
        last = [*watched.feed.read(moment()), *watched.feed.rest(moment())]
        pids = [one.body.actor and one.body.actor.pid for one in last if isinstance(one.body, act.Mount)]
    assert child.pid in pids


@each_hook(credentials.SENSOR)
def test_giving_up_power_and_set_uid_programs_are_no_raise(rung: Rung, tmp_path: Path) -> None:
    with opened(rung, tmp_path) as watched:
        with another("os.setgid(65534); os.setuid(65534)") as child:
            pass
        watched.until(watched.feed.trigger())
        raised = [one.body for one in watched.seen if isinstance(one.body, act.Credentials)]
    assert [body for body in raised if body.actor is not None and body.actor.pid == child.pid] == []


@each_hook(ptrace.SENSOR)
def test_seizing_and_reading_memory_name_the_target(rung: Rung, tmp_path: Path) -> None:
    script = (
        "pid = int(sys.argv[1])\n"
        "assert libc.ptrace(0x4206, pid, None, None) == 0, os.strerror(ctypes.get_errno())\n"
        "assert libc.ptrace(0x4207, pid, None, None) == 0\n"
        "os.waitpid(pid, 0x40000000)"
    )
    with target() as pid, opened(rung, tmp_path) as watched, another(script, str(pid)) as child:
        found = act_of(watched, act.Ptrace, child.pid, lambda body: body.request == "seize")
    assert found.tracee.pid == pid
    assert found.tracee.exe == os.path.realpath("/bin/sleep")


@each_hook(ptrace.SENSOR)
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: another user takes part")
def test_a_process_of_another_user_is_reached_into(rung: Rung, tmp_path: Path) -> None:
    script = (
        "class Part(ctypes.Structure):\n"
        "    _fields_ = [('base', ctypes.c_void_p), ('size', ctypes.c_size_t)]\n"
        "room = ctypes.create_string_buffer(8)\n"
        "here, there = Part(ctypes.addressof(room), 8), Part(4096, 8)\n"
        "libc.process_vm_readv(int(sys.argv[1]), ctypes.byref(here), 1, ctypes.byref(there), 1, 0)"
    )
    if rung.name == "tp":  # it needs the check of capabilities beside signals
        with opened(rung_of(bpf.SENSOR, "capable"), tmp_path):
            pass
    with target(65_534) as pid, opened(rung, tmp_path) as watched, another(script, str(pid)) as child:
        found = act_of(watched, act.Ptrace, child.pid, lambda body: body.request == "read")
    assert (found.tracee.pid, found.tracee.uid) == (pid, 65_534)


@each_hook(mount.SENSOR)
def test_mounts_tell_where_and_what(rung: Rung, tmp_path: Path) -> None:
    script = (
        "path = sys.argv[1].encode()\n"
        "assert libc.unshare(0x20000) == 0\n"
        "assert libc.mount(None, b'/', None, ctypes.c_ulong(0x44000), None) == 0\n"
        "assert libc.mount(b'none', path, b'tmpfs', ctypes.c_ulong(6), None) == 0\n"
        "assert libc.umount2(path, 0) == 0"
    )
    where = tmp_path / "m"
    where.mkdir()
    with opened(rung, tmp_path) as watched, another(script, str(where)) as child:
        made = act_of(watched, act.Mount, child.pid, lambda body: body.filesystem == "tmpfs")
        gone = act_of(watched, act.Mount, child.pid, lambda body: body.action == "umount")
    assert (made.action, made.path, made.flags) == ("mount", str(where), ("nosuid", "nodev"))
    assert gone.path == str(where)


@each_hook(namespace.SENSOR)
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make namespaces")
def test_entering_and_making_namespaces_tell_which(rung: Rung, tmp_path: Path) -> None:
    script = (
        "opened = os.open(f'/proc/{sys.argv[1]}/ns/net', os.O_RDONLY)\n"
        "assert libc.setns(opened, 0x40000000) == 0\n"
        "pid = libc.syscall(56, 0x8000011, None, None, None, None)\n"
        "pid or os._exit(0)\n"
        "os.waitpid(pid, 0)"
    )
    held = "assert libc.unshare(0x40000000) == 0"
    with (
        another(held) as holder,
        opened(rung, tmp_path) as watched,
        another(script, str(holder.pid)) as child,
    ):
        entered = act_of(watched, act.Enter, child.pid, lambda body: body.call == "setns")
        forked = act_of(watched, act.Enter, child.pid, lambda body: body.child is not None)
        inode = Path(f"/proc/{holder.pid}/ns/net").stat().st_ino
    assert (entered.namespaces, entered.inode) == (("net",), inode)
    assert forked.namespaces == ("ipc",)
    assert forked.done


@each_hook(unix.SENSOR)
def test_a_listed_socket_is_told_and_another_is_not(rung: Rung, tmp_path: Path) -> None:
    script = (
        "for name in ('other.sock', 'docker.sock'):\n"
        "    with socket.socket(socket.AF_UNIX) as client: client.connect(os.path.join('.', name))"
    )
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as two:
        inside = os.open(tmp_path, os.O_RDONLY)
        for listener, name in ((one, "docker.sock"), (two, "other.sock")):
            listener.bind(f"/proc/self/fd/{inside}/{name}")
            listener.listen(1)
        os.close(inside)
        moved = f"os.chdir({str(tmp_path)!r})\n" + script
        with opened(rung, tmp_path) as watched, another(moved) as child:
            found = act_of(watched, act.UnixSocket, child.pid, lambda _: True)
            seen = [each.body for each in watched.seen if isinstance(each.body, act.UnixSocket)]
    assert found.path.endswith("/docker.sock")
    assert found.listed == "/run/docker.sock"
    assert len(seen) == 1


def test_a_program_is_one_act_however_often_its_load_is_checked(tmp_path: Path) -> None:
    script = (
        "from agent.kernel.bpf_object import BpfObject\n"
        "BpfObject('connection', 4096).close()\n"
        "BpfObject('acts_credentials', 4096).close()"
    )
    with opened(rung_of(bpf.SENSOR, "capable"), tmp_path) as watched, another(script) as child:
        act_of(watched, act.Program, child.pid, lambda body: body.name == "ended")
        seen = [one.body for one in watched.seen if isinstance(one.body, act.Program)]
    names = [body.name for body in seen if body.actor is not None and body.actor.pid == child.pid]
    assert {"before_exec", "after_exec", "forked"} <= set(names)
    assert len(names) < 100, "the kernel checks such a load more than a thousand times"


def test_the_agent_itself_is_not_told_unless_it_proves_a_hook(tmp_path: Path) -> None:
    with opened(rung_of(io_uring.SENSOR, "tp"), tmp_path) as watched:
        for _ in range(1000):
            acts_trigger.set_up_ring(tmp_path)
        accept = watched.feed.trigger()
        assert isinstance(watched.until(accept), act.Ring)
        assert len([one for one in watched.seen if accept(one.body)]) == 1


def test_a_flood_is_bounded_and_its_rest_counted(tmp_path: Path) -> None:
    script = (
        "for _ in range(3000):\n"
        "    ring = libc.syscall(425, 1, ctypes.create_string_buffer(120))\n"
        "    assert ring >= 0\n"
        "    os.close(ring)"
    )
    with opened(rung_of(io_uring.SENSOR, "tp"), tmp_path) as watched, another(script) as child:
        watched.until(lambda body: isinstance(body, act.Ring))
        while select.select(watched.feed.filenos(), (), (), 0.2)[0] or watched.read():
            watched.read()
        told = {loss.cause: loss.count for loss in watched.feed.losses(moment())}
        seen = [one for one in watched.seen if isinstance(one.body, act.Ring)]
        assert child.poll() is None
    assert told["rate_limited"] is not None
    assert len(seen) < 3000
    assert told["rate_limited"] > 0


def test_a_kind_of_programs_that_is_refused_is_not_tried_again_for_a_minute() -> None:
    simplest = {"acts_lsm": "lsm_any", "acts_fentry": "entry_any", "acts_kprobe": "probe_any"}
    refusals, second = Refusals(), 1_000_000_000
    for name, program in simplest.items():
        refusals.check(name, 0)
        refusals.look(name, 0)
        try:
            BpfObject(name, 4096, programs=frozenset((program,))).close()
        except RungUnavailable as refused:
            with pytest.raises(RungUnavailable, match=re.escape(refused.reason)):
                refusals.check(name, 59 * second)
            refusals.check(name, 61 * second)
        else:
            refusals.check(name, second)
    refusals.look("acts_tp", 0)
    refusals.check("acts_tp", second)


def test_hooks_on_system_calls_are_off_until_they_are_asked_for(tmp_path: Path) -> None:
    table = ProcessTable(64, read_process)
    around = Context(Settings(), tmp_path, table, moment)
    for one in SENSORS:
        for rung in (rung for rung in one.SENSOR.rungs if rung.name == "syscall"):
            with pytest.raises(Exception, match="off"):
                rung.open(around)
