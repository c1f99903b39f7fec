"""UDP and ICMP on this machine's kernel: what was sent is what is told."""

from __future__ import annotations

import os
import socket
import struct
import threading
from pathlib import Path

import pytest

from agent.sensors.datagram import SENSOR
from evidence.kinds.connection import Close, Open, Report
from tests.agent.feeds_at_work import Watched, opened, rung_of

pytestmark = pytest.mark.root

BPF = rung_of(SENSOR, "bpf")
LOOPBACKS = [
    pytest.param(socket.AF_INET, "127.0.0.1", id="v4"),
    pytest.param(socket.AF_INET6, "::1", id="v6"),
]
SEGMENT = 60_000
UDP_SEGMENT = 103
"""The socket option by which one call sends many datagrams (linux/udp.h), as QUIC does."""


def exchange(family: socket.AddressFamily, address: str, sizes: list[int], back: int = 0) -> tuple[int, int]:
    """Send datagrams of these sizes and one back; return the ports of both ends."""
    with (
        socket.socket(family, socket.SOCK_DGRAM) as server,
        socket.socket(family, socket.SOCK_DGRAM) as client,
    ):
        server.settimeout(30)
        client.settimeout(30)
        server.bind((address, 0))
        client.connect(server.getsockname()[:2])
        for size in sizes:
            client.send(bytes(size))
            server.recv(65_536)
        if back:
            server.sendto(bytes(back), client.getsockname()[:2])
            client.recv(65_536)
        return client.getsockname()[1], server.getsockname()[1]


def close_of(watched: Watched, **ports: int) -> Close:
    """Return the close whose ends have these ports."""
    body = watched.until(
        lambda one: (
            isinstance(one, Close) and all(getattr(one, end).port == port for end, port in ports.items())
        )
    )
    assert isinstance(body, Close)
    return body


@pytest.mark.parametrize("size", [1, 1000, 10_000_000, 1_000_000_000])
@pytest.mark.parametrize(("family", "address"), LOOPBACKS)
def test_bytes_told_are_bytes_sent(
    family: socket.AddressFamily, address: str, size: int, tmp_path: Path
) -> None:
    sizes = [SEGMENT] * (size // SEGMENT) + [size % SEGMENT] * bool(size % SEGMENT)
    with opened(BPF, tmp_path) as watched:
        client, server = exchange(family, address, sizes, back=7)
        out = close_of(watched, local=client, remote=server)
        back = close_of(watched, local=server, remote=client)
    assert (out.direction, out.bytes_out, out.bytes_in) == ("out", size, 7)
    assert (back.direction, back.bytes_out, back.bytes_in) == ("in", 7, size)
    assert (out.packets_out, out.packets_in) == (len(sizes), 1)
    for one in (out, back):
        assert (one.protocol, one.local.ip, one.remote.ip) == ("udp", address, address)
        assert one.actor is not None
        assert (one.actor.pid, one.actor.uid) == (os.getpid(), os.getuid())
        assert one.flows is None


def test_an_upload_in_segments_as_quic_sends_it_is_counted(tmp_path: Path) -> None:
    calls, in_a_call = 200, 48_000
    with opened(BPF, tmp_path) as watched, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1200)
            client.connect(server.getsockname())
            for _ in range(calls):
                client.send(bytes(in_a_call))
        out = close_of(watched, remote=server.getsockname()[1])
    assert out.bytes_out == calls * in_a_call


def test_a_flow_that_goes_on_is_opened_and_reported(tmp_path: Path) -> None:
    with (
        opened(BPF, tmp_path) as watched,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        client.connect(server.getsockname())
        stop = threading.Event()
        sender = threading.Thread(target=send_until, args=(client, stop))
        sender.start()
        begun = watched.until(lambda one: isinstance(one, Open) and one.remote.port == port)
        shown = watched.until(lambda one: isinstance(one, Report) and one.remote.port == port)
        stop.set()
        sender.join()
    assert isinstance(begun, Open)
    assert isinstance(shown, Report)
    assert shown.flow == begun.flow
    assert shown.bytes_out >= 1_000_000
    assert shown.packets_out is not None


def send_until(client: socket.socket, stop: threading.Event) -> None:
    while not stop.wait(0.02):
        client.send(bytes(50_000))


def test_many_lookups_of_one_process_are_told_together(tmp_path: Path) -> None:
    lookups = 500
    with opened(BPF, tmp_path) as watched, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        for _ in range(lookups):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(bytes(33), ("127.0.0.1", port))
        for _ in range(40):
            watched.read()
            if sum(one.flows or 1 for one in closes(watched, port)) == lookups:
                break
            threading.Event().wait(0.1)
    found = closes(watched, port)
    assert sum(one.flows or 1 for one in found) == lookups
    assert sum(one.bytes_out or 0 for one in found) == lookups * 33
    assert len(found) < lookups / 10


def closes(watched: Watched, port: int) -> list[Close]:
    bodies = [one.body for one in watched.seen]
    return [one for one in bodies if isinstance(one, Close) and one.remote.port == port]


def test_an_ipv4_peer_of_an_ipv6_socket_has_its_ipv4_address(tmp_path: Path) -> None:
    with opened(BPF, tmp_path) as watched, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
            client.sendto(bytes(12), ("::ffff:127.0.0.1", port))
        out = close_of(watched, remote=port)
    assert (out.remote.ip, out.bytes_out) == ("127.0.0.1", 12)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        pytest.param(socket.SOCK_RAW, 1000, id="raw"),
        pytest.param(socket.SOCK_DGRAM, 500, id="ping"),
    ],
)
def test_who_sends_icmp_is_told_with_its_bytes(kind: socket.SocketKind, payload: int, tmp_path: Path) -> None:
    groups = Path("/proc/sys/net/ipv4/ping_group_range").read_text().split()
    if kind is socket.SOCK_DGRAM and not int(groups[0]) <= os.getgid() <= int(groups[1]):
        pytest.skip("ping sockets are not allowed for this group (net.ipv4.ping_group_range)")
    message = struct.pack("!BBHHH", 8, 0, 0, 7, 1) + bytes(payload)
    with opened(BPF, tmp_path) as watched:
        with socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP) as sender:
            for _ in range(3):
                sender.sendto(message, ("127.0.0.9", 0))
        body = watched.until(lambda one: isinstance(one, Close) and one.remote.ip == "127.0.0.9")
    assert isinstance(body, Close)
    assert (body.protocol, body.direction, body.bytes_out, body.packets_out) == (
        "icmp",
        "out",
        3 * payload,
        3,
    )
    assert body.actor is not None
    assert body.actor.pid == os.getpid()
