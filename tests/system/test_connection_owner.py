"""Whose an accepted connection is, and that nothing is too short or too many to be counted."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from agent.feeds.connection_bpf import BpfFeed
from agent.kernel.pin_folders import Unpinned, agent_folder, remove_all
from agent.kernel.rings import Left, Rings
from agent.sensors.connection import SENSOR
from evidence.kinds.connection import Close, Open, Report
from range.test_host import PrivateHost
from tests.agent.feeds_at_work import Watched, context, moment, opened, rung_of

pytestmark = pytest.mark.root

BPF = rung_of(SENSOR, "bpf")
STORM = 3000
FILE_SIZE = 3_000_000
IN_SESSION = 4242


def closes(watched: Watched, port: int) -> list[Close]:
    """Return what was told of connections to this port of the loopback, from either end."""
    bodies = [one.body for one in watched.seen]
    return [one for one in bodies if isinstance(one, Close) and port in (one.local.port, one.remote.port)]


def count(watched: Watched, port: int, direction: str) -> int:
    return sum(one.flows or 1 for one in closes(watched, port) if one.direction == direction)


def close_of(watched: Watched, direction: str, port: int) -> Close:
    served = "local" if direction == "in" else "remote"
    body = watched.until(
        lambda one: (
            isinstance(one, Close) and one.direction == direction and getattr(one, served).port == port
        )
    )
    assert isinstance(body, Close)
    return body


@contextmanager
def server_that(child: str, *arguments: str) -> Iterator[tuple[int, int]]:
    """Run a Python program with a listening socket as descriptor 200; give its pid and port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", child, *arguments],
            pass_fds=[_inherited(server)],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            process.stdout.read(1)  # it is about to accept
            yield process.pid, port
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()


def _inherited(server: socket.socket) -> int:
    return os.dup2(server.fileno(), 200, inheritable=True)


ACCEPTS = """
import socket, time, ctypes, sys
server = socket.socket(fileno=200)
print("x", end="", flush=True)
if sys.argv[1] == "address":
    ends = [server.accept()[0]]
else:
    ends = [ctypes.CDLL(None).accept(200, None, None)]
time.sleep(60)
"""


@pytest.mark.parametrize("how", ["address", "no address"])
def test_an_open_connection_is_owned_by_who_accepted_it(how: str, tmp_path: Path) -> None:
    with (
        opened(BPF, tmp_path) as watched,
        server_that(ACCEPTS, how) as (pid, port),
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        client.send(b"x")
        body = watched.until(lambda one: isinstance(one, Open) and one.local.port == port)
    assert isinstance(body, Open)
    assert body.direction == "in"
    assert body.actor is not None
    assert body.actor.pid == pid


HANDS_OVER = """
import os, socket, sys
from pathlib import Path
server = socket.socket(fileno=200)
print("x", end="", flush=True)
accepted, _ = server.accept()
if os.fork() == 0:
    Path("/proc/self/loginuid").write_text(sys.argv[1])
    accepted.recv(1)
    accepted.send(bytes(1000))
    accepted.close()
    os._exit(0)
accepted.close()
os.wait()
"""


def test_a_connection_handed_to_a_login_session_is_of_that_session(tmp_path: Path) -> None:
    with (
        opened(BPF, tmp_path) as watched,
        server_that(HANDS_OVER, str(IN_SESSION)) as (pid, port),
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        client.send(b"x")
        while client.recv(4096):
            pass
        client.close()
        body = close_of(watched, "in", port)
    assert (body.bytes_out, body.bytes_in) == (1000, 1)
    assert body.actor is not None
    assert body.actor.pid != pid
    assert body.actor.auid == IN_SESSION
    assert body.actor.session is not None


@pytest.fixture
def host(tmp_path: Path) -> Iterator[PrivateHost]:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("OpenSSH, for a login of a test host, is not installed")
    with PrivateHost(tmp_path / "host") as running:
        yield running


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for sshd and namespaces")
def test_an_sftp_download_is_bytes_out_of_the_session_that_logged_in(
    host: PrivateHost, tmp_path: Path
) -> None:
    host.add_user("vdfirst", "correct horse")
    key = host.add_user("vdsecond", "battery staple")
    (host.homes / "vdsecond" / "data").write_bytes(os.urandom(FILE_SIZE))
    with opened(BPF, tmp_path) as watched:
        host.ssh("vdfirst", "true", key=host.folder / "vdfirst.key")
        who = host.ssh("vdsecond", "cat /proc/self/loginuid", key=key)
        target = tmp_path / "taken"
        subprocess.run(
            [
                *("sftp", "-q", "-i", str(key), "-P", str(host.port), "-o", "StrictHostKeyChecking=no"),
                *("-o", "UserKnownHostsFile=/dev/null", f"vdsecond@{host.address}:data", str(target)),
            ],
            check=True,
            capture_output=True,
        )
        body = watched.until(
            lambda one: (
                isinstance(one, Close) and one.local.port == host.port and (one.bytes_out or 0) >= FILE_SIZE
            )
        )
    assert target.stat().st_size == FILE_SIZE
    assert isinstance(body, Close)
    assert body.direction == "in"
    assert body.actor is not None
    assert body.actor.auid == int(who.stdout)
    assert body.actor.session is not None
    assert body.bytes_out is not None
    assert body.bytes_out < FILE_SIZE * 1.1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for sshd and namespaces")
def test_what_leaves_in_an_open_session_is_told_as_of_that_session(host: PrivateHost, tmp_path: Path) -> None:
    key = host.add_user("vdsecond", "battery staple")
    with opened(BPF, tmp_path) as watched:
        command, environment = host.ssh_command("vdsecond", key=key)
        script = f"head -c {FILE_SIZE} /dev/zero; sleep 60"
        process = subprocess.Popen([*command, script], env=environment, stdout=subprocess.DEVNULL)
        body = watched.until(
            lambda one: (
                isinstance(one, Report) and one.local.port == host.port and one.bytes_out >= FILE_SIZE // 2
            )
        )
        process.kill()
        process.wait()
    assert isinstance(body, Report)
    assert body.actor is not None
    assert body.actor.auid == int(host.run("id", "-u", "vdsecond"))
    assert body.actor.session is not None


def test_an_upload_of_a_moment_has_its_owner(tmp_path: Path) -> None:
    with opened(BPF, tmp_path) as watched, socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        script = f"exec 9<>/dev/tcp/127.0.0.1/{port}; printf %01000d 7 >&9"
        process = subprocess.Popen(["/bin/bash", "-c", script])
        accepted, _ = server.accept()
        while accepted.recv(4096):
            pass
        accepted.close()
        process.wait()
        time.sleep(0.2)  # nothing of it is left to look at
        body = close_of(watched, "out", port)
    assert body.bytes_out == 1000
    assert body.actor is not None
    assert (body.actor.pid, body.actor.uid) == (process.pid, os.getuid())
    assert body.actor.start is not None


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "reset"])
def test_a_storm_is_counted_to_the_last_connection(reset: bool, tmp_path: Path) -> None:
    linger = struct.pack("ii", 1, 0)
    with opened(BPF, tmp_path) as watched, socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for _ in range(STORM):
            with socket.create_connection(("127.0.0.1", port)) as client:
                accepted, _ = server.accept()
                client.send(bytes(64))
                accepted.recv(64)
                if reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            accepted.close()
        deadline = time.monotonic() + 20
        while count(watched, port, "out") + count(watched, port, "in") < 2 * STORM:
            assert time.monotonic() < deadline, (count(watched, port, "out"), count(watched, port, "in"))
            watched.read()
            time.sleep(0.05)
    found = closes(watched, port)
    for direction in ("out", "in"):
        some = [one for one in found if one.direction == direction]
        assert sum(one.flows or 1 for one in some) == STORM
        moved = sum((one.bytes_out if direction == "out" else one.bytes_in) or 0 for one in some)
        assert moved == STORM * 64
        assert all(one.actor is not None and one.actor.pid == os.getpid() for one in some)
    assert len(found) < STORM / 10


def test_what_a_killed_run_had_not_kept_is_told_once(tmp_path: Path) -> None:
    """The table of sums is pinned: one run counts, is killed before and after it kept what it told."""
    folder = agent_folder(tmp_path)
    if isinstance(folder, Unpinned):
        pytest.skip(f"{folder.reason} ({folder.fix})")
    told: list[int] = []
    left = Left()
    for keeps in (True, False, True):
        rings = Rings(folder, left=left)
        around = msgspec.structs.replace(context(tmp_path), rings=rings.of("connection"))
        feed = BPF.open(around)
        assert isinstance(feed, BpfFeed)
        connect_often(20)
        bodies = [one.body for one in (*feed.read(moment()), *feed.rest(moment()))]
        if keeps:
            ours = [
                one for one in bodies if isinstance(one, Close) and one.actor and one.actor.pid == os.getpid()
            ]
            told += [one.flows or 1 for one in ours if one.direction == "out"]
            left = Left(rings.positions("connection"), rings.counted())
            rings.release("connection")
        abandon(feed)
    remove_all(tmp_path)
    assert sum(told) == 60


def connect_often(times: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(times):
            with socket.create_connection(server.getsockname()[:2]):
                server.accept()[0].close()


def abandon(feed: BpfFeed) -> None:
    """Leave a feed as a kill does: nothing is unpinned."""
    feed.kernel_object.pins = None
    feed.close()
