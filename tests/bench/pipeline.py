"""End to end: batches over mutual TLS into the ingest process, through ledger, decoding, rules and the store.

Prints rows {"name", "value", "unit"}: end_to_end_events_per_s, counted from the first batch after the warm-up
until the last one's rows are in the snapshot that readers see: a backlog at the end counts against it. The
senders hold back when the store is BACKLOG batches behind, as hosts do when the collector is slow. All runs
on the cores this process may use; the load is generated and sealed beforehand. The operator has told that
10.0.0.0/8 is the fleet's own: nearly all connections go there.

alert_p50_s and alert_p99_s are the seconds from a batch's release to its sender until its rows, and with them
the alerts that it gave, are what readers see: at a rate the pipeline keeps up with, the collector's part of
the time from an event to its alert. At a higher one they tell of BACKLOG.

With --sigma the 210 rules of `sigma_rules` are in force beside all others. sigma_memo_hit_rate is the part of
events of which memory told at once which match; sigma_us_per_event their CPU, measured afterwards in turns.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import json
import multiprocessing
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier, Semaphore
from pathlib import Path

from collector.lake import snapshot
from collector.rules import costs
from evidence import codec, dsse, endpoints, frame, seal, statement
from evidence.statement import Head, Statement
from tests.bench import rules, workload
from tests.collector.served import ROOT, Served, serve
from tests.collector.station import Host, Station

HOSTS = 2000
SENDERS = 4
EVENTS = 1000
BACKLOG = 150
"""Batches that may be acknowledged and not yet stored: three seconds of the load that is wanted.

Two commits of up to 60 are under way at once, one being folded and one being stored: with less, each waits
for the other, which agents do not, for they only wait for their receipts.
"""
LIMITS = '{"agent_batches_per_minute": 1000000, "agent_bytes_per_minute": 1000000000000}'
_GONE = (ssl.SSLEOFError, ConnectionError, http.client.RemoteDisconnected)
"""The server ends connections that are idle for two minutes; an agent then makes another, and so do we."""
_SEAL_SECONDS = 900
"""All senders have sealed their load by then, or one has died."""
WARM_UP = 0.1
"""Part of the time that is not counted."""
_CHILD = """
import sys
from pathlib import Path
from collector.pipeline import pipeline
from collector.settings import Settings
from tests.bench import rules
settings = Settings(state=Path(sys.argv[1]))
sigma = sys.argv[2] == "sigma"
pipeline.serve(settings, lambda: rules.engine(sigma=sigma), lambda: print("ready", flush=True))
"""


@dataclass
class Load:
    """What one sender sends: its hosts, and their sealed requests in the order of sending."""

    hosts: Sequence[Host]
    numbers: range

    def requests(self) -> list[tuple[Host, bytes]]:
        """Seal the batches; each has events of its own."""
        heads = {host.agent: Head(0, host.anchor) for host in self.hosts}
        made: list[tuple[Host, bytes]] = []
        for at, number in enumerate(self.numbers):
            host = self.hosts[at % len(self.hosts)]
            head = heads[host.agent]
            raw = codec.encode(workload.events(EVENTS, number, head.seq * EVENTS + 1))
            data = frame.compress(raw)
            payload = statement.to_bytes(_statement(host, head, raw, data))
            heads[host.agent] = Head(head.seq + 1, statement.digest(payload))
            envelope = dsse.encode(payload, statement.PAYLOAD_TYPE, host.key)
            made.append((host, seal.request_body(envelope, data)))
        return made


def _statement(host: Host, head: Head, raw: bytes, data: bytes) -> Statement:
    now = time.time_ns()
    return Statement(
        agent=host.agent,
        epoch=1,
        lane="bulk",
        seq=head.seq + 1,
        prev=head.hash,
        other=Head(0, host.anchor),
        boot="6e1b5d3a-7f52-4a43-8a6e-0b7f0f5f3c11",
        sent=now,
        mono=1_000_000_000,
        codec=statement.CODEC,
        sha256=hashlib.sha256(data).hexdigest(),
        length=len(data),
        raw_length=len(raw),
        events=EVENTS,
        version="0.1.0",
        first_time=now,
        last_time=now,
        first_seq=head.seq * EVENTS + 1,
        last_seq=(head.seq + 1) * EVENTS,
    )


def send(served: Served, load: Load, start: Barrier, allowed: Semaphore) -> None:
    """Send everything, one connection a host, each batch once it is allowed; the answer must be 200."""
    ready = load.requests()
    clients: dict[str, http.client.HTTPSConnection] = {}
    start.wait()
    for host, body in ready:
        allowed.acquire()
        try:
            status, said = _post(served, clients, host, body)
        except _GONE:
            clients.pop(host.agent).close()
            status, said = _post(served, clients, host, body)
        if status != HTTPStatus.OK:
            raise RuntimeError(f"refused: {said[:400]!r}")


def _post(
    served: Served, clients: dict[str, http.client.HTTPSConnection], host: Host, body: bytes
) -> tuple[int, bytes]:
    """Return the answer to a batch, over the host's connection or a new one."""
    if host.agent not in clients:
        clients[host.agent] = served.client(host)
    client = clients[host.agent]
    client.request("POST", endpoints.BATCHES, body)
    answer = client.getresponse()
    return answer.status, answer.read()


@contextlib.contextmanager
def storing(state: Path, sigma: bool) -> Iterator[subprocess.Popen[bytes]]:
    """Run the pipeline's process, with Sigma rules or without."""
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(state), "sigma" if sigma else "none"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        yield child
        child.send_signal(signal.SIGTERM)
        child.wait(60)
    finally:
        child.kill()


def measure(folder: Path, seconds: float, rate: int, sigma: bool) -> tuple[float, dict[str, float]]:
    """Return events a second, and what else is worth knowing, for a load of rate offered for seconds."""
    station = Station(folder / "state")
    keeper = station.keeper()
    total = int(seconds * rate / EVENTS)
    hosts = [station.enrol(keeper, folder) for _ in range(min(HOSTS, total))]
    keeper.close()
    context = multiprocessing.get_context("fork")
    start, allowed = context.Barrier(SENDERS + 1), context.Semaphore(0)
    with serve(station, limits=LIMITS) as served, storing(station.paths.root, sigma) as pipeline:
        loads = [Load(hosts[at::SENDERS], range(at, total, SENDERS)) for at in range(SENDERS)]
        senders = [
            context.Process(target=send, args=(served, load, start, allowed), daemon=True) for load in loads
        ]
        for sender in senders:
            sender.start()
        start.wait(_SEAL_SECONDS)
        first = _position(station)
        found, waits = _drive(station, first, total, rate, allowed, senders=senders)
        extra = {
            "alert_p50_s": waits[len(waits) // 2],
            "alert_p99_s": waits[len(waits) * 99 // 100],
            "pipeline_cpu_us_per_event": _cpu(pipeline.pid) / total / EVENTS * 1e6,
            "store_cpu_us_per_event": _cpu(_child_of(pipeline.pid)) / total / EVENTS * 1e6,
            "ingest_cpu_us_per_event": _cpu(served.process.pid) / total / EVENTS * 1e6,
        }
        for sender in senders:
            sender.join()
    if sigma:
        told = costs.read(costs.beside(station.paths.snapshot)).measured
        extra["sigma_memo_hit_rate"] = rules.hit_rate(told.views)
    return found, extra


def _drive(
    station: Station,
    first: int,
    total: int,
    rate: int,
    allowed: Semaphore,
    *,
    senders: Sequence[BaseProcess],
) -> tuple[float, list[float]]:
    """Let batches go at the rate, never more than BACKLOG ahead of the store.

    Returns events a second, and for how many seconds each batch was under way, sorted.

    Raises:
        RuntimeError: a sender ended with an error, so that the rest would be waited for in vain.
    """
    began = time.monotonic()
    let_go, stored, marks = list[float](), 0, list[tuple[float, int]]()
    waits: list[float] = []
    while stored < total:
        dead = [sender.exitcode for sender in senders if sender.exitcode]
        if dead:
            raise RuntimeError(
                f"{len(dead)} of {SENDERS} senders ended (exit {dead[0]}) with {stored} stored"
            )
        due = int((time.monotonic() - began) * rate / EVENTS)
        for _ in range(max(0, min(due, stored + BACKLOG, total) - len(let_go))):
            allowed.release()
            let_go.append(time.monotonic())
        time.sleep(0.05)
        stored = _position(station) - first
        marks.append((time.monotonic(), stored))
        waits += [marks[-1][0] - at for at in let_go[len(waits) : stored]]
    at, before = next(mark for mark in marks if mark[1] >= total * WARM_UP)
    return (total - before) * EVENTS / (marks[-1][0] - at), sorted(waits)


def _position(station: Station) -> int:
    return snapshot.read(station.paths.snapshot).position


def _child_of(pid: int) -> int:
    """Return the process that stores for the pipeline."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rows(seconds: float = 130.0, rate: int = 55_000, sigma: bool = False) -> list[dict[str, object]]:
    """Measure and return the rows; with sigma, those of the rules of `sigma_rules` as well."""
    folder = Path(tempfile.mkdtemp(prefix="vedette-pipeline-", dir="/var/tmp"))
    try:
        found, extra = measure(folder, seconds, rate, sigma)
    finally:
        shutil.rmtree(folder)
    made: list[dict[str, object]] = [
        {"name": "end_to_end_events_per_s", "value": round(found), "unit": "events/s"}
    ]
    made += [{"name": name, "value": round(value, 3), "unit": _unit(name)} for name, value in extra.items()]
    return [*made, *rules.sigma_cost(20, 3)[:2]] if sigma else made


def _unit(name: str) -> str:
    return "s" if name.endswith("_s") else "us" if name.endswith("_event") else "of events"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the rows go (standard output)")
    parser.add_argument("--seconds", type=float, default=130.0, help="how long load is offered")
    parser.add_argument("--rate", type=int, default=55_000, help="events a second that are offered")
    parser.add_argument("--sigma", action="store_true", help="210 Sigma rules beside all others")
    options = parser.parse_args()
    found = "".join(json.dumps(row) + "\n" for row in rows(options.seconds, options.rate, options.sigma))
    if options.json is None:
        sys.stdout.write(found)
    else:
        options.json.write_text(found)


if __name__ == "__main__":
    main()
