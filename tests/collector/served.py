"""A running ingest process, and a client that speaks to it over mutual TLS."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from evidence import endpoints, receipt
from evidence.receipt import Receipt
from evidence.refusal import Refusal

from .station import Host, Station, free_listener

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).with_name("ingest_child.py")


class Served:
    """The process, its port, and how to kill it."""

    def __init__(
        self, station: Station, listening: socket.socket, *, core: int | None = None, limits: str = "{}"
    ) -> None:
        self.station = station
        self.port: int = listening.getsockname()[1]
        command = [sys.executable, str(CHILD), str(station.paths.root), str(listening.fileno())]
        command += ["--ingest", limits] + (["--core", str(core)] if core is not None else [])
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            pass_fds=[listening.fileno()],
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def _reap(self) -> int:
        code = self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def client(self, host: Host) -> http.client.HTTPSConnection:
        context = host.context(self.station.paths.anchors)
        return http.client.HTTPSConnection("localhost", self.port, context=context, timeout=30)


@contextlib.contextmanager
def serve(station: Station, *, core: int | None = None, limits: str = "{}") -> Iterator[Served]:
    listening = free_listener()
    with contextlib.closing(listening):
        served = Served(station, listening, core=core, limits=limits)
        try:
            yield served
        finally:
            if served.process.poll() is None:
                served.kill()


def post(client: http.client.HTTPSConnection, body: bytes) -> Receipt | Refusal:
    client.request("POST", endpoints.BATCHES, body)
    answer = client.getresponse()
    raw = answer.read()
    if answer.status == 200:
        return receipt.from_bytes(raw)
    return msgspec.json.decode(raw, type=Refusal)
