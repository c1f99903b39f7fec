"""The real ingest process: mutual TLS, its socket, kill -9 under load, a full disk."""

from __future__ import annotations

import contextlib
import http.client
import random
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from collector.audit import inspection
from collector.errors import LedgerError
from collector.ingest.presence import VERB
from collector.lake.decode import Reading
from collector.ledger.reader import LedgerItem, LedgerReader
from collector.ledger_access import ledger_client
from collector.ledger_access.keeper import Keeper
from collector.ledger_access.ledger_client import RemoteLedger
from evidence import endpoints, entry, receipt
from evidence.enrolment import RevocationRecord
from evidence.entry import EntryType
from evidence.errors import CodecError
from evidence.kinds.collector import Act
from evidence.receipt import Receipt
from evidence.refusal import Code, Refusal
from tests.collector.served import Served, post, serve
from tests.collector.station import Host, Station


def enrol(station: Station, folder: Path, count: int = 1) -> list[Host]:
    keeper = station.keeper()
    hosts = [station.enrol(keeper, folder) for _ in range(count)]
    keeper.close()
    return hosts


def sound(station: Station) -> bool:
    return inspection.inspect(station.paths.ledger, station.verifier, lambda _done, _of: None).sound


def test_batches_over_mutual_tls(station: Station, tmp_path: Path) -> None:
    (host,) = enrol(station, tmp_path)
    with serve(station) as served:
        client = served.client(host)
        for _ in range(3):
            sealed = host.batch()
            answer = post(client, host.body(sealed))
            assert isinstance(answer, Receipt)
            receipt.check(answer, entry.encode(EntryType.BATCH, sealed.envelope), station.verifier, None)
        client.request("GET", "/checkpoint")
        assert client.getresponse().read().startswith(b"test.local/log\n5\n")
        client.close()
        assert served.stop() == 0


def raw_request(body: bytes) -> bytes:
    head = f"POST {endpoints.BATCHES} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def answers(client: http.client.HTTPSConnection, count: int) -> list[Receipt]:
    """Read count answers that follow one another on a connection."""
    found: list[Receipt] = []
    with client.sock.makefile("rb") as stream:
        for _ in range(count):
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
            length = int(http.client.parse_headers(stream)["content-length"])
            found.append(receipt.from_bytes(stream.read(length)))
    return found


def test_bodies_arrive_whole_however_they_are_cut(station: Station, tmp_path: Path) -> None:
    first, second = enrol(station, tmp_path, 2)
    noise = random.Random(2)  # noqa: S311 - text that does not compress
    with serve(station) as served:
        one, other = served.client(first), served.client(second)
        one.connect()
        other.connect()
        small = [first.batch(), first.batch()]
        many = [event for _ in range(60) for event in second.events(1, noise.randbytes(7000).hex())]
        large = [second.batch(many), second.batch()]
        assert len(large[0].data) > 300_000, "more than is read at once"
        stream = [raw_request(first.body(sealed)) for sealed in small]
        one.sock.sendall(stream[0] + stream[1][:700])
        other.sock.sendall(b"".join(raw_request(second.body(sealed)) for sealed in large))
        assert [found.duplicate for found in answers(other, 2)] == [False, False]
        for at in range(700, len(stream[1])):
            one.sock.sendall(stream[1][at : at + 1])
        assert [found.duplicate for found in answers(one, 2)] == [False, False]
        one.close()
        other.close()
        assert served.stop() == 0
    assert sound(station)


def test_nobody_without_a_certificate_of_our_ca_gets_in(station: Station, tmp_path: Path) -> None:
    (host,) = enrol(station, tmp_path)
    stranger = Station(tmp_path / "other")
    (foreign,) = enrol(stranger, tmp_path)
    foreign.agent = host.agent
    with serve(station) as served:
        bare = ssl.create_default_context(cafile=str(station.paths.anchors))
        client = http.client.HTTPSConnection("localhost", served.port, context=bare, timeout=10)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            post(client, host.body(host.batch()))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            post(served.client(foreign), host.body(host.batch()))
        old = host.context(station.paths.anchors)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        client = http.client.HTTPSConnection("localhost", served.port, context=old, timeout=10)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            post(client, host.body(host.batch()))


def test_a_revocation_over_the_socket_bites_an_open_connection(station: Station, tmp_path: Path) -> None:
    (host,) = enrol(station, tmp_path)
    with serve(station) as served:
        client = served.client(host)
        assert isinstance(post(client, host.body(host.batch())), Receipt)
        ledger = ledger_client.connect(station.settings)
        assert isinstance(ledger, RemoteLedger)
        record = RevocationRecord(agent=host.agent, epoch=None, time=1, author="admin", reason="stolen")
        ledger.record(Act(user="admin", verb="agent.revoke", object=host.agent))
        ledger.append(EntryType.REVOCATION, msgspec.json.encode(record))
        answer = post(client, host.body(host.batch()))
        assert isinstance(answer, Refusal)
        assert answer.code is Code.REVOKED
        with pytest.raises(CodecError, match="revocation entry"):
            ledger.append(EntryType.REVOCATION, b"{}")
        with pytest.raises(CodecError, match="come sealed"):
            ledger.append(EntryType.BATCH, b"{}")
        assert ledger.checkpoint().startswith(b"test.local/log\n")
        assert client.sock is None, "the answer ends the connection"
        ledger.close()
        assert served.stop() == 0
    kinds = [item.type.name for item in LedgerReader(station.paths.ledger).items(2, 10)]
    assert kinds == ["BATCH", "ACT", "REVOCATION", "ACT"]


def test_idle_connections_do_not_delay_a_stop(
    station: Station, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hosts = enrol(station, tmp_path, 3)
    hosts[2].agent = "0" * 32
    with serve(station) as served:
        clients = [served.client(host) for host in hosts]
        for client in clients:
            client.connect()
        assert isinstance(post(clients[1], hosts[1].body(hosts[1].batch())), Receipt)
        assert isinstance(post(clients[2], hosts[2].body(hosts[2].batch())), Refusal)
        assert served.stop() == 0
        for client in clients:
            client.close()
    assert "graceful shutdown exceeded" not in capfd.readouterr().err


def acts(station: Station) -> list[LedgerItem]:
    reader = LedgerReader(station.paths.ledger)
    items = [item for item in reader.items(0, 1000) if item.type is EntryType.ACT]
    reader.close()
    return items


def test_a_connection_that_broke_off_is_recorded_unless_it_is_made_anew(
    station: Station, tmp_path: Path
) -> None:
    gone, back, revoked = enrol(station, tmp_path, 3)
    with serve(station) as served:
        for host in (gone, back, revoked):
            client = served.client(host)
            assert isinstance(post(client, host.body(host.batch())), Receipt)
            client.close()
        again = served.client(back)
        again.connect()
        ledger = ledger_client.connect(station.settings)
        record = RevocationRecord(agent=revoked.agent, epoch=None, time=1, author="admin", reason="gone")
        ledger.append(EntryType.REVOCATION, msgspec.json.encode(record))
        while not acts(station):
            time.sleep(0.1)
        time.sleep(2.0)
        told = [event.body for item in acts(station) for part in Reading(item).parts() for event in part]
        assert [(act.verb, act.object) for act in told] == [(VERB, gone.agent)]
        again.close()
        ledger.close()
        assert served.stop() == 0


def test_the_socket_is_private_and_survives_a_restart_of_its_owner(station: Station) -> None:
    with serve(station) as served:
        assert station.paths.ledger_socket.stat().st_mode & 0o777 == 0o600
        ledger = ledger_client.connect(station.settings)
        ledger.record(Act(user="ann", verb="query"))
        served.kill()
        with pytest.raises(LedgerError, match="serve"):
            ledger.record(Act(user="ann", verb="query"))
    with serve(station):
        ledger.record(Act(user="ann", verb="query"))
        ledger.close()


def test_without_a_server_the_ledger_is_opened_here(station: Station) -> None:
    ledger = ledger_client.connect(station.settings)
    assert isinstance(ledger, Keeper)
    got = ledger.record(Act(user="ann", verb="export"))
    assert got.index == 1
    with pytest.raises(LedgerError, match="in use"):
        ledger_client.connect(station.settings)
    ledger.close()


def send_until_dead(served: Served, host: Host, answered: dict[bytes, int]) -> None:
    """Send batches until the server is gone; note what was answered for, by entry, with its index."""
    client = served.client(host)
    with contextlib.suppress(OSError, http.client.HTTPException):
        while True:
            sealed = host.batch(host.events(50))
            got = post(client, host.body(sealed))
            assert isinstance(got, Receipt)
            answered[entry.encode(EntryType.BATCH, sealed.envelope)] = got.index


def test_kill_9_under_load_loses_nothing_that_was_answered_and_doubles_nothing(
    station: Station, tmp_path: Path
) -> None:
    hosts = enrol(station, tmp_path, 4)
    answered: dict[bytes, int] = {}
    chance = random.Random()  # noqa: S311 - a kill at any time must be survived
    for _ in range(4):
        with serve(station) as served:
            senders = [
                threading.Thread(target=send_until_dead, args=(served, host, answered)) for host in hosts
            ]
            for sender in senders:
                sender.start()
            time.sleep(0.2 + chance.random() * 0.4)
            served.kill()
            for sender in senders:
                sender.join()
    assert len(answered) > 20
    keeper = station.keeper()
    for raw, index in answered.items():
        assert keeper.ledger.entry(index) == raw
    keeper.close()
    items = list(LedgerReader(station.paths.ledger).items(0, 1 << 30))
    batches = [item.payload for item in items if item.type is EntryType.BATCH]
    assert len(set(batches)) == len(batches)
    assert sound(station)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {made.stderr.decode()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.root
def test_a_full_disk_is_said_and_survived(small_disk: Path, tmp_path: Path) -> None:
    station = Station(small_disk / "state")
    (host,) = enrol(station, tmp_path)
    noise = random.Random(1)  # noqa: S311 - text that does not compress
    with serve(station, limits='{"free_floor_bytes": 1}') as served:
        client = served.client(host)
        kept: list[bytes] = []
        refused: Refusal | None = None
        while refused is None:
            sealed = host.batch(host.events(20, noise.randbytes(8000).hex()))
            got = post(client, host.body(sealed))
            if isinstance(got, Refusal):
                refused = got
            else:
                kept.append(sealed.envelope)
        assert refused.code is Code.DISK_FULL
        assert len(kept) > 5
        assert isinstance(post(client, host.body(sealed)), Refusal)
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        while isinstance(got := post(client, host.body(sealed)), Refusal):
            assert got.code is Code.DISK_FULL, "what was last seen of the disk is believed for half a second"
        assert not got.duplicate
        client.close()
        served.stop()
    items = list(LedgerReader(station.paths.ledger).items(0, 1 << 30))
    assert [item.payload for item in items[2:]] == [*kept, sealed.envelope]
    station.keeper().close()
    assert sound(station)
