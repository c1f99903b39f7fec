"""The connection sensor on this machine's kernel."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent.sensor import Rung
from agent.sensors.connection import SENSOR
from evidence.kinds.connection import Close, Listen, Open, Report
from tests.agent.feeds_at_work import Watched, opened, run, rung_of

pytestmark = pytest.mark.root

SIZE = 1_234_567
CHUNK = 1_000_000
LOOPBACKS = [
    pytest.param(socket.AF_INET, "127.0.0.1", id="v4"),
    pytest.param(socket.AF_INET6, "::1", id="v6"),
]
BPF, DIAG = rung_of(SENSOR, "bpf"), rung_of(SENSOR, "diag")


class Exchange:
    """A connection of this process to itself: who connects sends out, who accepts sends back."""

    def __init__(self, family: socket.AddressFamily, address: str) -> None:
        with socket.create_server((address, 0), family=family) as server:
            self.server = int(server.getsockname()[1])
            self.client_end = socket.create_connection((address, self.server), timeout=30)
            self.server_end, _ = server.accept()
        self.client = int(self.client_end.getsockname()[1])

    def send(self, out: int, back: int) -> None:
        """Send both ways at once, and read all of it at both ends."""
        threads = [
            threading.Thread(target=target, args=args)
            for target, args in (
                (self.client_end.sendall, (bytes(out),)),
                (self.server_end.sendall, (bytes(back),)),
                (drain, (self.client_end, back)),
                (drain, (self.server_end, out)),
            )
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def end(self) -> None:
        """End it in good order: each end has seen the other's end before it is closed."""
        self.client_end.shutdown(socket.SHUT_WR)
        assert self.server_end.recv(1) == b""
        self.server_end.shutdown(socket.SHUT_WR)
        assert self.client_end.recv(1) == b""
        self.close()

    def close(self, *, server_first: bool = False) -> None:
        ends = [self.client_end, self.server_end]
        for end in reversed(ends) if server_first else ends:
            end.close()

    def reset(self) -> None:
        """End it by RST from the connecting end."""
        self.client_end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client_end.close()


def drain(end: socket.socket, size: int) -> None:
    while size:
        size -= len(end.recv(min(size, 65_536)))


def closes(watched: Watched, exchange: Exchange) -> tuple[Close, Close]:
    """Return the close of the connecting and of the accepting end."""
    client, server = exchange.client, exchange.server
    return close_of(watched, client, server), close_of(watched, server, client)


def ports_of(one: Open | Report | Close) -> tuple[int | None, int | None]:
    """Return the ports of both ends; others on this host may use one of ours, but not both."""
    return one.local.port, one.remote.port


def close_of(watched: Watched, local: int, remote: int) -> Close:
    body = watched.until(lambda one: isinstance(one, Close) and ports_of(one) == (local, remote))
    assert isinstance(body, Close)
    return body


@pytest.mark.parametrize("size", [1, 1000, 10_000_000, 1_000_000_000])
@pytest.mark.parametrize("outbound", [True, False], ids=["out", "in"])
@pytest.mark.parametrize(("family", "address"), LOOPBACKS)
def test_bytes_told_are_bytes_sent(
    family: socket.AddressFamily, address: str, outbound: bool, size: int, tmp_path: Path
) -> None:
    with opened(BPF, tmp_path) as watched:
        exchange = Exchange(family, address)
        ends = (exchange.client_end, exchange.server_end)
        sender, receiver = ends if outbound else reversed(ends)
        thread = threading.Thread(target=drain, args=(receiver, size))
        thread.start()
        for _ in range(size // CHUNK):
            sender.sendall(bytes(CHUNK))
        sender.sendall(bytes(size % CHUNK))
        thread.join()
        exchange.close()
        out, back = closes(watched, exchange)
    told = (size, 0) if outbound else (0, size)
    assert (out.bytes_out, out.bytes_in) == told
    assert (back.bytes_in, back.bytes_out) == told


def test_an_ipv4_peer_of_an_ipv6_socket_has_its_ipv4_address(tmp_path: Path) -> None:
    with (
        opened(BPF, tmp_path) as watched,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_INET6) as client,
    ):
        port = server.getsockname()[1]
        client.connect(("::ffff:127.0.0.1", port))
        client.close()
        out = watched.until(lambda one: isinstance(one, Close) and one.remote.port == port)
    assert isinstance(out, Close)
    assert (out.remote.ip, out.local.ip) == ("127.0.0.1", "127.0.0.1")


@pytest.mark.parametrize("server_first", [False, True])
@pytest.mark.parametrize(("family", "address"), LOOPBACKS)
def test_bytes_direction_and_owner_are_exact(
    family: socket.AddressFamily, address: str, server_first: bool, tmp_path: Path
) -> None:
    with opened(BPF, tmp_path) as watched:
        exchange = Exchange(family, address)
        exchange.send(SIZE, SIZE + 1)
        exchange.close(server_first=server_first)
        out, back = closes(watched, exchange)
    assert (out.bytes_out, out.bytes_in, out.direction) == (SIZE, SIZE + 1, "out")
    assert (back.bytes_out, back.bytes_in, back.direction) == (SIZE + 1, SIZE, "in")
    for one, remote in ((out, exchange.server), (back, exchange.client)):
        assert (one.local.ip, one.remote.ip, one.remote.port) == (address, address, remote)
        assert one.actor is not None
        assert (one.actor.pid, one.actor.uid) == (os.getpid(), os.getuid())
        assert one.actor.exe == str(Path("/proc/self/exe").readlink())
        assert one.packets_out is not None
        assert one.packets_out > 1
        assert one.duration is not None
    assert out.flow != back.flow


def test_a_reset_tells_the_bytes_and_the_holder_of_the_other_end(tmp_path: Path) -> None:
    with opened(BPF, tmp_path) as watched:
        exchange = Exchange(socket.AF_INET, "127.0.0.1")
        exchange.send(SIZE, 10)
        exchange.reset()
        out, back = closes(watched, exchange)
        exchange.server_end.close()
    assert (out.bytes_out, out.bytes_in) == (SIZE, 10)
    assert (back.bytes_out, back.bytes_in) == (10, SIZE)
    for one in (out, back):
        assert one.actor is not None
        assert one.actor.pid == os.getpid()


def test_a_connection_that_lives_is_told_when_it_is_a_second_old(tmp_path: Path) -> None:
    with opened(BPF, tmp_path) as watched:
        exchange = Exchange(socket.AF_INET, "127.0.0.1")
        client, server = exchange.client, exchange.server
        begun = watched.until(lambda one: isinstance(one, Open) and ports_of(one) == (client, server))
        came = watched.until(lambda one: isinstance(one, Open) and ports_of(one) == (server, client))
        exchange.close()
        ends = closes(watched, exchange)
    for was, end in zip((begun, came), ends, strict=True):
        assert isinstance(was, Open)
        assert (was.flow, was.direction, was.remote) == (end.flow, end.direction, end.remote)
        assert was.actor is not None
        assert was.actor.pid == os.getpid()
        assert end.duration is not None
        assert end.duration > 1_000_000_000


def test_a_listener_is_told(tmp_path: Path) -> None:
    with opened(BPF, tmp_path) as watched, socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        seen = watched.until(lambda one: isinstance(one, Listen) and one.local.port == port)
    assert isinstance(seen, Listen)
    assert seen.actor is not None
    assert seen.actor.pid == os.getpid()


def test_what_was_open_before_keeps_its_bytes_and_gets_its_direction(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        client_port = client.getsockname()[1]
        client.sendall(bytes(5000))
        drain(accepted, 5000)
        with opened(BPF, tmp_path) as watched:
            client.close()
            accepted.close()
            out = close_of(watched, client_port, port)
            back = close_of(watched, port, client_port)
    assert (out.direction, out.bytes_out, out.bytes_in, out.duration) == ("out", 5000, 0, None)
    assert (back.direction, back.bytes_out, back.bytes_in, back.duration) == ("in", 0, 5000, None)


@pytest.mark.parametrize("rung", [BPF, DIAG], ids=lambda rung: rung.name)
def test_an_open_flow_reports_its_bytes(rung: Rung, tmp_path: Path) -> None:
    with opened(rung, tmp_path) as watched:
        exchange = Exchange(socket.AF_INET, "127.0.0.1")
        exchange.send(SIZE, 5)
        ports = exchange.client, exchange.server
        report = watched.until(lambda one: isinstance(one, Report) and ports_of(one) == ports)
        exchange.close()
        closes(watched, exchange)
    assert isinstance(report, Report)
    assert (report.bytes_out, report.bytes_in, report.direction) == (SIZE, 5, "out")
    assert report.actor is not None


@pytest.mark.parametrize(("family", "address"), LOOPBACKS)
def test_inet_diag_tells_exact_bytes_of_what_it_saw_alive(
    family: socket.AddressFamily, address: str, tmp_path: Path
) -> None:
    with opened(DIAG, tmp_path) as watched, socket.create_server((address, 0), family=family) as server:
        port = int(server.getsockname()[1])
        client = socket.create_connection((address, port))
        client_port = client.getsockname()[1]
        accepted, _ = server.accept()
        watched.until(lambda one: isinstance(one, Open) and ports_of(one) == (client_port, port))
        sender = threading.Thread(target=client.sendall, args=(bytes(SIZE),))
        sender.start()
        drain(accepted, SIZE)
        sender.join()
        client.close()
        accepted.close()
        out = close_of(watched, client_port, port)
        back = close_of(watched, port, client_port)
    assert (out.direction, out.bytes_out, out.bytes_in) == ("out", SIZE, 0)
    assert (back.direction, back.bytes_out, back.bytes_in) == ("in", 0, SIZE)
    assert out.actor is not None
    assert out.actor.pid == os.getpid()


def test_inet_diag_names_no_owner_of_what_it_did_not_see_alive(tmp_path: Path) -> None:
    with opened(DIAG, tmp_path) as watched:
        exchange = Exchange(socket.AF_INET, "127.0.0.1")
        exchange.send(SIZE, 3)
        exchange.end()
        out, _ = closes(watched, exchange)
    assert (out.bytes_out, out.bytes_in, out.actor) == (SIZE, 3, None)


def test_inet_diag_finds_an_owner_behind_many_descriptors_of_newer_processes(tmp_path: Path) -> None:
    """More than a quick look goes through: the owner is told by the next whole one."""
    holds = "import os; many = [os.dup(0) for _ in range(900)]; print(flush=True); input()"
    children = [
        subprocess.Popen([sys.executable, "-I", "-c", holds], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    with opened(DIAG, tmp_path) as watched:
        for child in children:
            assert child.stdout is not None
            child.stdout.readline()
        run("/bin/true")
        exchange = Exchange(socket.AF_INET, "127.0.0.1")
        ports = exchange.client, exchange.server
        begun = watched.until(lambda one: isinstance(one, Open) and ports_of(one) == ports)
        exchange.close()
    for child in children:
        child.communicate(b"\n")
    assert isinstance(begun, Open)
    assert begun.actor is not None
    assert begun.actor.pid == os.getpid()
