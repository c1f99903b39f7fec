"""What connections, datagrams and DNS do while watch is dead is told once, with exact bytes."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterable

import pytest

from agent.kernel.pin_folders import bpffs
from evidence.kind import Body
from evidence.kinds.agent import Start
from evidence.kinds.connection import Close, Open, Report
from evidence.kinds.dns import Query
from tests.property.dns_wire import message, question
from tests.system.agent_at_work import Agent
from tests.system.dns_server import DnsServer

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: eBPF programs are loaded and pinned"),
    pytest.mark.skipif(bpffs() is None, reason="needs a mounted bpffs: mount -t bpf bpf /sys/fs/bpf"),
    pytest.mark.timeout(400),
]

MANY = 500
GATHERED = 2.5
"""Seconds after which a sensor has likely taken in what happened; no test fails if it has not."""


def place(number: int) -> str:
    """Return an address of this host that nothing else uses."""
    return f"127.77.{number >> 8}.{number & 255}"


class Line:
    """A TCP connection of this process with itself, known by the address it goes to."""

    def __init__(self, server: socket.socket, number: int) -> None:
        self.client = socket.create_connection((place(number), server.getsockname()[1]))
        self.accepted, _ = server.accept()

    def move(self, size: int) -> None:
        """Send size bytes and read them."""
        self.client.sendall(bytes(size))
        while size:
            size -= len(self.accepted.recv(size))

    def close(self) -> None:
        self.client.close()
        self.accepted.close()


def assert_nothing_was_missed(agent: Agent, *sensors: str) -> None:
    first, second = (body for body in agent.bodies() if isinstance(body, Start))
    assert (first.clean, second.clean) == (True, False)
    assert set(second.blind).isdisjoint(sensors)
    causes = {loss.cause for said in agent.statements() for loss in said.loss}
    assert [cause for cause in causes if cause.startswith(tuple(f"{one}:" for one in sensors))] == []


def outbound(bodies: Iterable[Body], protocol: str) -> dict[str, list[Open | Report | Close]]:
    """Return what was told of the flows to the addresses of these tests, in order, by address."""
    found: dict[str, list[Open | Report | Close]] = {}
    for body in bodies:
        if not isinstance(body, Open | Report | Close) or not body.remote.ip.startswith("127.77."):
            continue
        if (body.protocol, body.direction) == (protocol, "out"):
            found.setdefault(body.remote.ip, []).append(body)
    return found


def test_connections_of_the_dead_time_are_told_once_each_with_exact_bytes(agent: Agent) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104 - all of loopback
        agent.start("watch")
        ended, through = Line(server, 1), Line(server, 2)
        for line in (ended, through):
            line.move(1000)
        time.sleep(GATHERED)
        agent.stop(signal.SIGKILL)
        begun = Line(server, 3)
        for line in (ended, through, begun):
            line.move(20_000)
        ended.close()
        for number in range(MANY):
            short = Line(server, 1000 + number)
            short.move(1 + number)
            short.close()
        agent.start("watch")
        for line in (through, begun):
            line.move(300_000)
            line.close()
        assert agent.stop() == 0
    told = outbound(agent.bodies(), "tcp")
    known = {place(1): 21_000, place(2): 321_000, place(3): 320_000}
    known |= {place(1000 + number): 1 + number for number in range(MANY)}
    assert told.keys() == known.keys()
    for address, size in known.items():
        *before, last = told[address]
        assert isinstance(last, Close)
        assert last.bytes_out == size, address
        assert (last.bytes_in, last.flows or 1) == (0, 1)
        kinds = Counter(type(body) for body in before)
        assert kinds[Open] <= 1
        assert kinds[Close] == 0
    inbound = [body for body in agent.bodies() if isinstance(body, Close) and body.direction == "in"]
    received = {body.local.ip: body.bytes_in for body in inbound if body.local.ip in known}
    assert received == known
    assert_nothing_was_missed(agent, "connection")


def send(sender: socket.socket, number: int, times: int, size: int) -> None:
    for _ in range(times):
        sender.sendto(bytes(size), (place(number), 9))


def test_datagrams_before_and_in_the_dead_time_are_summed_exactly(agent: Agent) -> None:
    agent.start("watch")
    ended, through = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    send(ended, 1, 10, 100)
    send(through, 2, 10, 100)
    time.sleep(GATHERED)
    send(through, 2, 10, 100)
    time.sleep(GATHERED)
    agent.stop(signal.SIGKILL)
    send(ended, 1, 500, 101)
    send(through, 2, 500, 102)
    ended.close()
    for number in range(MANY):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as short:
            send(short, 1000 + number, 2, 1 + number)
    agent.start("watch")
    send(through, 2, 5, 1)
    through.close()
    assert agent.stop() == 0
    told = outbound(agent.bodies(), "udp")
    known = {place(1): 51_500, place(2): 53_005}
    known |= {place(1000 + number): 2 * (1 + number) for number in range(MANY)}
    assert told.keys() == known.keys()
    for address, size in known.items():
        *before, last = told[address]
        assert isinstance(last, Close)
        assert last.bytes_out == size, address
        assert not [body for body in before if isinstance(body, Close)]
        assert len([body for body in before if isinstance(body, Open)]) <= 1
        assert {body.flow for body in before} <= {last.flow}, "one flow, with one number"
    assert_nothing_was_missed(agent, "datagram")


def ask(server: DnsServer, name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.connect((server.host, server.port))
        asker.send(message(1, question(name)))
        if "silent" not in name:
            asker.settimeout(20)
            asker.recv(4096)


def test_questions_before_and_in_the_dead_time_are_told_or_counted_once(agent: Agent) -> None:
    with DnsServer("127.0.0.1", addresses=("192.0.2.7",)) as server:
        agent.config.write_text(agent.config.read_text() + f"[dns]\nports = [{server.port}]\n")
        agent.start("watch")
        for _ in range(5):
            ask(server, "often.example")
        time.sleep(GATHERED)
        for _ in range(4):
            ask(server, "often.example")
        ask(server, "silent-before.example")
        time.sleep(0.2)
        agent.stop(signal.SIGKILL)
        ask(server, "silent-after.example")
        for number in range(MANY):
            ask(server, f"dead-{number}.example")
            if number % 100 == 0:
                ask(server, "often.example")
        agent.start("watch")
        ask(server, "often.example")
        assert agent.stop() == 0
    told: Counter[str] = Counter()
    for body in agent.bodies():
        if isinstance(body, Query) and body.name.endswith(".example"):
            told[body.name] += body.count
            silent = body.name.startswith("silent")
            assert (body.rcode, body.answers) == ((None, None) if silent else (0, ("192.0.2.7",)))
            assert body.actor is not None
            assert body.actor.pid == os.getpid()
    known = {f"dead-{number}.example": 1 for number in range(MANY)}
    known |= {"often.example": 15, "silent-before.example": 1, "silent-after.example": 1}
    assert told == known
    assert_nothing_was_missed(agent, "dns")


def test_questions_beyond_the_limit_are_counted_exactly_whatever_is_killed(agent: Agent) -> None:
    with DnsServer("127.0.0.1", addresses=("192.0.2.7",)) as server:
        settings = f"[dns]\nports = [{server.port}]\nquestions_per_minute = 10\n"
        agent.config.write_text(agent.config.read_text() + settings)
        agent.start("watch")
        for number in range(100):
            ask(server, f"tunnel-{number}.example")
        time.sleep(0.5)
        agent.stop(signal.SIGKILL)
        agent.start("watch")
        assert agent.stop() == 0
    told = sum(isinstance(body, Query) and body.name.startswith("tunnel-") for body in agent.bodies())
    lost = [
        loss for said in agent.statements() for loss in said.loss if loss.cause.startswith("dns: too many")
    ]
    assert told + sum(count for loss in lost for count in loss.counts.values()) == 100
