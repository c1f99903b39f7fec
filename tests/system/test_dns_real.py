"""The DNS sensor on this machine's kernel."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.errors import RungUnavailable
from agent.kernel import bpf_program, scope
from agent.kernel.rings import Rings
from agent.sensor import Context, Rung
from agent.sensors.connection import SENSOR as CONNECTION
from agent.sensors.dns import SENSOR
from agent.settings import Dns, Settings
from evidence.kinds.connection import Close
from evidence.kinds.dns import Query
from tests.agent.feeds_at_work import Watched, context, moment, rung_of
from tests.property.dns_wire import AAAA, TXT, answered, message, question
from tests.system.dns_server import NXDOMAIN, TTL, DnsServer

pytestmark = pytest.mark.root

BPF, FLOWS = rung_of(SENSOR, "bpf"), rung_of(CONNECTION, "bpf")
ROOT = Path(__file__).parents[2]
ADDRESSES = ("192.0.2.7", "192.0.2.8", "2001:db8::7")


@contextlib.contextmanager
def watching(around: Context, dns: Dns, rung: Rung = BPF) -> Iterator[Watched]:
    """Open the DNS sensor, or another, for the ports given; skip where the machine refuses it."""
    around = msgspec.structs.replace(around, settings=Settings(dns=dns))
    try:
        feed = rung.open(around)
    except RungUnavailable as refused:
        pytest.skip(f"{refused.reason} ({refused.fix})")
    try:
        yield Watched(feed, around)
    finally:
        feed.close()


@pytest.fixture(params=["127.0.0.1", "::1"], ids=["v4", "v6"])
def server(request: pytest.FixtureRequest) -> Iterator[DnsServer]:
    with DnsServer(request.param, addresses=ADDRESSES) as found:
        yield found


@pytest.fixture
def around(tmp_path: Path) -> Context:
    return context(tmp_path)


def name(kind: str = "host") -> str:
    return f"{kind}-{secrets.token_hex(6)}.example"


def exchange(server: DnsServer, raw: bytes, *, connected: bool = True) -> tuple[str, int]:
    """Ask by UDP, wait for the answer, and return the socket's own address."""
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asker:
        asker.settimeout(10)
        if connected:
            asker.connect((server.host, server.port))
            asker.send(raw)
        else:
            asker.sendto(raw, (server.host, server.port))
        asker.recv(4096)
        host, port = asker.getsockname()[:2]
        return str(host), int(port)


def query_for(watched: Watched, wanted: str, *, answered: bool = True) -> Query:
    body = watched.until(
        lambda one: isinstance(one, Query) and one.name == wanted and (one.rcode is not None) == answered
    )
    assert isinstance(body, Query)
    return body


def close_of(watched: Watched, remote: int) -> Close:
    body = watched.until(lambda one: isinstance(one, Close) and one.remote.port == remote)
    assert isinstance(body, Close)
    return body


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "unconnected"])
def test_a_question_has_the_asking_process_and_the_answer(
    server: DnsServer, around: Context, connected: bool
) -> None:
    wanted = name()
    with watching(around, Dns(ports=(server.port,))) as watched:
        begun = moment().mono
        exchange(server, message(1, question(wanted)), connected=connected)
        found = query_for(watched, wanted)
        (seen,) = [one for one in watched.seen if one.body is found]
    assert (found.type, found.rcode, found.answers, found.ttl) == ("A", 0, ADDRESSES[:2], TTL)
    assert (found.protocol, found.count) == ("udp", 1)
    assert found.server is not None
    assert (found.server.ip, found.server.port) == (server.host, server.port)
    assert found.actor is not None
    assert (found.actor.pid, found.actor.uid) == (os.getpid(), os.getuid())
    assert found.actor.exe == str(Path("/proc/self/exe").readlink())
    assert seen.mono is not None
    assert found.duration is not None
    assert begun <= seen.mono <= seen.mono + found.duration <= moment().mono
    assert around.names.find("192.0.2.8", moment().mono) == wanted


def test_questions_over_tcp_and_for_other_types(server: DnsServer, around: Context) -> None:
    over_tcp, text = name(), name("nobody")
    raw = message(2, question(over_tcp, AAAA))
    with watching(around, Dns(ports=(server.port,))) as watched:
        with socket.create_connection((server.host, server.port), timeout=10) as asker:
            asker.sendall(struct.pack("!H", len(raw)) + raw)
            while asker.recv(4096):
                pass
        exchange(server, message(3, question(text, TXT)))
        first, second = query_for(watched, over_tcp), query_for(watched, text)
        assert list(watched.feed.losses(moment())) == []
    assert (first.protocol, first.type, first.answers) == ("tcp", "AAAA", ("2001:db8::7",))
    assert first.actor is not None
    assert first.actor.pid == os.getpid()
    assert (second.type, second.rcode, second.answers) == ("TXT", NXDOMAIN, ())


def test_a_question_without_an_answer_is_told_without_one(around: Context) -> None:
    wanted = name("silent")
    with (
        DnsServer("127.0.0.1") as server,
        watching(around, Dns(ports=(server.port,))) as watched,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker,
    ):
        asker.sendto(message(4, question(wanted)), (server.host, server.port))
        found = query_for(watched, wanted, answered=False)
    assert (found.answers, found.duration, found.ttl) == (None, None, None)
    assert found.actor is not None
    assert found.actor.pid == os.getpid()


def test_an_answer_that_nobody_asked_for_names_nothing(around: Context) -> None:
    wanted = name()
    with DnsServer("127.0.0.1") as server, watching(around, Dns(ports=(server.port,))) as watched:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.bind(("127.0.0.1", 0))
            for forged in (
                answered(8, "forged.example", "192.0.2.66"),
                answered(9, wanted, "192.0.2.66"),
            ):
                server.send(forged, asker.getsockname())
        exchange(server, message(5, question(wanted)))
        query_for(watched, wanted)
    assert around.names.find("192.0.2.66", moment().mono) is None
    assert [
        one.body for one in watched.seen if isinstance(one.body, Query) and "forged" in one.body.name
    ] == []


def test_identical_questions_are_told_once(around: Context) -> None:
    wanted, last = name(), name()
    with DnsServer("127.0.0.1") as server, watching(around, Dns(ports=(server.port,))) as watched:
        for number in range(200):
            exchange(server, message(number, question(wanted)))
        exchange(server, message(1, question(last)))
        query_for(watched, last)
        told = [one.body for one in watched.seen if isinstance(one.body, Query) and one.body.name == wanted]
    assert len(told) == 1


def test_what_is_no_dns_at_its_port_is_counted(around: Context) -> None:
    wanted = name()
    with DnsServer("127.0.0.1") as server, watching(around, Dns(ports=(server.port,))) as watched:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.connect(("127.0.0.1", server.port))
            for size in (1, 12, 500, 3000):
                asker.send(b"\xff" * size)
        exchange(server, message(1, question(wanted)))
        query_for(watched, wanted)
        (loss,) = watched.feed.losses(moment())
    assert (loss.cause, loss.count) == ("undecodable", 3)


def test_a_flood_is_bounded_and_counted(around: Context) -> None:
    raw = message(1, question(name()))
    causes: set[str] = set()
    with (
        DnsServer("127.0.0.1") as server,
        watching(around, Dns(ports=(server.port,))) as watched,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker,
    ):
        asker.connect(("127.0.0.1", server.port))
        for _ in range(100):
            for _ in range(6000):
                asker.send(raw)
            watched.read()
            causes = {loss.cause for loss in watched.feed.losses(moment())}
            if causes:
                break
    assert causes
    assert causes <= {"rate_limited", "ring_full"}  # whichever bound this machine meets first


def test_an_agent_of_one_namespace_does_not_see_another(around: Context) -> None:
    inside, outside = name(), name()
    around = msgspec.structs.replace(around, rings=Rings(scope=scope.own()).of("dns"))
    command = [sys.executable, "-m", "tests.system.dns_resolver", outside, "127.9.8.6"]
    with DnsServer("127.0.0.1") as server, watching(around, Dns(ports=(server.port, 53))) as watched:
        subprocess.run(["unshare", "--net", "--mount", *command], cwd=ROOT, check=True, capture_output=True)
        exchange(server, message(1, question(inside)))
        found = query_for(watched, inside)
    assert found.actor is not None
    assert found.actor.pid == os.getpid()
    assert outside not in {one.body.name for one in watched.seen if isinstance(one.body, Query)}


def test_a_name_resolved_by_the_c_library_names_the_connection_that_follows(
    around: Context,
) -> None:
    wanted, address = name(), "127.9.8.7"
    command = [sys.executable, "-m", "tests.system.dns_resolver", wanted, address]
    with watching(around, Dns()) as watched, watching(around, Dns(), FLOWS) as flows:
        child = subprocess.run(
            ["unshare", "--net", "--mount", *command], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert child.returncode == 0, child.stderr
        found = query_for(watched, wanted)
        flow = close_of(flows, int(child.stdout))
    assert (found.answers, found.rcode) == ((address,), 0)
    assert (flow.remote.ip, flow.remote.name, flow.remote.named_by) == (address, wanted, None)
    assert flow.actor is not None
    assert found.actor is not None
    assert flow.actor.pid == found.actor.pid


def test_a_tls_client_names_its_peer_where_no_answer_did(around: Context) -> None:
    wanted = name("tls")
    with socket.create_server(("127.0.0.1", 0)) as peer:
        port = peer.getsockname()[1]
        with watching(around, Dns(tls_ports=(port,))) as watched, watching(around, Dns(), FLOWS) as flows:
            client = ssl.create_default_context()
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                accepted, _ = peer.accept()
                accepted.close()
                with contextlib.suppress(OSError):
                    client.wrap_socket(connection, server_hostname=wanted)
            watched.until(watched.feed.trigger())
            flow = close_of(flows, port)
    assert (flow.remote.name, flow.remote.named_by) == (wanted, "tls")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_where_only_cgroup_v1_is_mounted_the_reason_and_the_fix_are_told(
    around: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bpf_program, "cgroup2_root", lambda: None)
    with pytest.raises(RungUnavailable, match="only v1") as refused:
        BPF.open(around)
    assert refused.value.fix is not None
    assert "mount -t cgroup2" in refused.value.fix
