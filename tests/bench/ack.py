"""Durable acknowledgements: 1,000-event batches over mutual TLS on 16 connections, the server on one core.

Prints rows {"name", "value", "unit"}: ack_batches_per_s, ack_p99_ms, ack_p50_ms, and ack_cpu_ms, the server's
CPU for one batch, which says most on a shared machine. The load is sealed beforehand, and each connection is
a process of its own on the other core, so that the generator is not what is measured.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from evidence import codec, dsse, endpoints, frame, seal, statement
from evidence.statement import Head, Statement
from tests.bench import workload
from tests.collector.served import Served, serve
from tests.collector.station import Host, Station

CONNECTIONS = 16
EVENTS = 1000
POOL = 48
"""Different data frames; each statement quotes one of them, so memory does not grow with the load."""
LIMITS = '{"agent_batches_per_minute": 1000000, "agent_bytes_per_minute": 1000000000000}'
WARM_UP_SECONDS = 2.0


@dataclass(frozen=True)
class Frame:
    """The data of one batch."""

    data: bytes
    sha256: str
    raw_length: int


def frames() -> list[Frame]:
    """Return the pool of data."""
    pool: list[Frame] = []
    for seed in range(POOL):
        raw = codec.encode(workload.events(EVENTS, seed))
        data = frame.compress(raw)
        pool.append(Frame(data, hashlib.sha256(data).hexdigest(), len(raw)))
    return pool


def requests(host: Host, pool: Sequence[Frame], port: int, count: int) -> list[tuple[bytes, bytes]]:
    """Return count sealed requests of host as (head with envelope, data)."""
    ready: list[tuple[bytes, bytes]] = []
    head = Head(0, host.anchor)
    for number in range(count):
        one = pool[(number * 7 + int(host.agent[:2], 16)) % len(pool)]
        payload = statement.to_bytes(_statement(host, head, one))
        head = Head(head.seq + 1, statement.digest(payload))
        body = seal.request_body(dsse.encode(payload, statement.PAYLOAD_TYPE, host.key), b"")
        length = len(body) + len(one.data)
        lines = f"POST {endpoints.BATCHES} HTTP/1.1\r\nhost: localhost:{port}\r\ncontent-length: {length}\r\n"
        ready.append((f"{lines}{endpoints.KNOWN_SIZE}: {{known}}\r\n\r\n".encode() + body, one.data))
    return ready


def _statement(host: Host, head: Head, one: Frame) -> Statement:
    return Statement(
        agent=host.agent,
        epoch=1,
        lane="bulk",
        seq=head.seq + 1,
        prev=head.hash,
        other=Head(0, host.anchor),
        boot="6e1b5d3a-7f52-4a43-8a6e-0b7f0f5f3c11",
        sent=1_790_000_000_000_000_000,
        mono=1_000_000_000,
        codec=statement.CODEC,
        sha256=one.sha256,
        length=len(one.data),
        raw_length=one.raw_length,
        events=EVENTS,
        version="0.1.0",
        first_time=1_790_000_000_000_000_000,
        last_time=1_790_000_001_000_000_000,
        first_seq=head.seq * EVENTS + 1,
        last_seq=(head.seq + 1) * EVENTS,
    )


class Plan:
    """One connection's work: who sends, for how long, from which core."""

    def __init__(self, served: Served, host: Host, pool: Sequence[Frame], seconds: float, core: int) -> None:
        self.served = served
        self.host = host
        self.seconds = seconds
        self.core = core
        self.ready = requests(host, pool, served.port, int((seconds + WARM_UP_SECONDS) * 250))

    def run(self, start: Barrier, out: Connection) -> None:
        """Send one request after another; report when each was answered, and how long it took."""
        os.sched_setaffinity(0, {self.core})
        client = self.served.client(self.host)
        client.connect()
        known = 0
        taken: list[tuple[float, float]] = []
        start.wait()
        end = time.monotonic() + self.seconds + WARM_UP_SECONDS
        for head, data in self.ready:
            began = time.monotonic()
            if began > end:
                break
            client.sock.sendall(head.replace(b"{known}", b"%d" % known, 1) + data)
            body = _answer(client.sock.recv)
            done = time.monotonic()
            taken.append((done, done - began))
            known = _size(body)
        else:
            raise RuntimeError("the load ran out before the time did: seal more beforehand")
        out.send(taken)


def _answer(receive: object) -> bytes:
    """Return the body of a 200 answer."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        raw += _more(receive)
    head, _, body = raw.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"refused: {raw[:400]!r}")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    while len(body) < length:
        body += _more(receive)
    return body


def _more(receive: object) -> bytes:
    part: bytes = receive(65_536)  # type: ignore[operator]
    if not part:
        raise RuntimeError("the server hung up")
    return part


def _size(body: bytes) -> int:
    """Return the size of the checkpoint in a receipt, without parsing the whole of it."""
    return int(body.partition(b'"checkpoint":"')[2].split(b"\\n", 2)[1])


@dataclass(frozen=True)
class Measured:
    """(time of the answer, seconds it took) of each batch after the warm-up, and CPU seconds of a batch."""

    taken: list[tuple[float, float]]
    cpu: float


def measure(seconds: float, folder: Path, server_core: int, load_core: int) -> Measured:
    """Serve the load from one core and send it from another."""
    station = Station(folder / "state")
    keeper = station.keeper()
    hosts = [station.enrol(keeper, folder) for _ in range(CONNECTIONS)]
    keeper.close()
    pool = frames()
    total = EVENTS * POOL
    raw, sent = sum(one.raw_length for one in pool), sum(len(one.data) for one in pool)
    note(f"an event: {raw / total:.0f} bytes of NDJSON, {sent / total:.0f} on the wire")
    with serve(station, core=server_core, limits=LIMITS) as served:
        plans = [Plan(served, host, pool, seconds, load_core) for host in hosts]
        start = multiprocessing.Barrier(CONNECTIONS)
        before = _cpu_seconds(served.process.pid)
        taken = list(_run(plans, start))
        cpu = _cpu_seconds(served.process.pid) - before
        note(f"server: {cpu:.1f} s of CPU in {seconds + WARM_UP_SECONDS:.0f} s for {len(taken)} batches")
        served.stop()
    first = min(done for done, _ in taken) + WARM_UP_SECONDS
    return Measured([(done, took) for done, took in taken if done >= first], cpu / len(taken))


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _run(plans: Sequence[Plan], start: Barrier) -> Iterator[tuple[float, float]]:
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe(duplex=False) for _ in plans]
    children = [
        context.Process(target=plan.run, args=(start, out))
        for plan, (_, out) in zip(plans, pipes, strict=True)
    ]
    for child in children:
        child.start()
    for _, out in pipes:
        out.close()
    for back, _ in pipes:
        yield from back.recv()
    for child in children:
        child.join()


def rows(seconds: float = 20.0) -> list[dict[str, object]]:
    """Measure and return the rows."""
    cores = sorted(os.sched_getaffinity(0))
    # A real disk is wanted here, where /tmp may be memory.
    folder = Path(tempfile.mkdtemp(prefix="vedette-ack-", dir="/var/tmp"))
    try:
        measured = measure(seconds, folder, cores[0], cores[-1])
    finally:
        shutil.rmtree(folder)
    times = sorted(took for _, took in measured.taken)
    answered = [done for done, _ in measured.taken]
    lasted = max(answered) - min(answered)
    return [
        {"name": "ack_batches_per_s", "value": round(len(times) / lasted, 1), "unit": "batches/s"},
        {"name": "ack_p99_ms", "value": round(times[int(len(times) * 0.99)] * 1000, 2), "unit": "ms"},
        {"name": "ack_p50_ms", "value": round(times[len(times) // 2] * 1000, 2), "unit": "ms"},
        {"name": "ack_cpu_ms", "value": round(measured.cpu * 1000, 3), "unit": "ms"},
    ]


def note(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the rows go (standard output)")
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    found = "".join(json.dumps(row) + "\n" for row in rows(options.seconds))
    if options.json is None:
        sys.stdout.write(found)
    else:
        options.json.write_text(found)


if __name__ == "__main__":
    main()
