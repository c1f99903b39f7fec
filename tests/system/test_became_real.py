"""A connection is its opener's, also when the process has become another program by the time it ends."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

from evidence.kinds.connection import Close
from tests.system.agent_at_work import Agent

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for the kernel rungs"),
    pytest.mark.skipif(
        shutil.which("bash") is None, reason="bash opens the connection, and is not installed"
    ),
]
SENT = 30_000


@pytest.fixture
def port() -> Iterator[int]:
    """Give the port of a server that takes one connection to its end."""

    def take() -> None:
        with server.accept()[0] as client:
            while client.recv(1 << 16):
                pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        taking = threading.Thread(target=take)
        taking.start()
        yield server.getsockname()[1]
        taking.join()


def test_a_shell_that_became_what_writes_to_its_connection(agent: Agent, port: int) -> None:
    agent.start("watch")
    script = f"exec 3<>/dev/tcp/127.0.0.1/{port}; exec env nice head -c {SENT} /dev/zero >&3"
    subprocess.run(["bash", "-c", script], check=True)
    agent.stop()
    closed = [body for body in agent.bodies() if isinstance(body, Close)]
    told = [body for body in closed if body.direction == "out" and body.remote.port == port]
    assert [body.bytes_out for body in told] == [SENT]
    actor = told[0].actor
    assert actor is not None
    assert (actor.exe or "").endswith("/bash")
    assert (actor.became or "").endswith("/head")
