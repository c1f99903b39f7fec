"""Real ssh from session to session: every step is the first one's person, with its connection as evidence."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.layout import Layout
from collector.attribution.attribution import Attribution
from collector.record import Origin, SessionRevision
from evidence.event import Event
from evidence.kind import Body, Lane
from evidence.kinds.login import Accepted, SessionClose
from range.test_host import PrivateHost
from tests.agent import enrolled_host
from tests.system.agent_at_work import unpinned

ROOT = Path(__file__).parents[2]
LANES: tuple[Lane, Lane] = ("priority", "bulk")
FIRST, SECOND, THIRD = "vdhop1", "vdhop2", "vdhop3"
SENT = 300_000
QUIET = "-F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a mount namespace, sshd and the agent"),
]


class Place:
    """A test host whose users go on to each other's accounts, watched by an agent."""

    def __init__(self, host: PrivateHost, folder: Path) -> None:
        self.host, self.folder = host, folder
        self.keys = {user: host.add_user(user, "correct horse") for user in (FIRST, SECOND, THIRD)}
        for user, other in ((FIRST, SECOND), (SECOND, THIRD)):
            host.run("install", "-o", user, "-m", "600", str(self.keys[other]), f"/home/{user}/next")
        self.places: Layout = enrolled_host.enrol(folder / "state")
        self._config = folder / "agent.toml"
        self._config.write_text(
            f"state = '{folder}/state'\nruntime = '{folder}/run'\nheartbeat = 1\n"
            "[collector]\ningest = 'https://127.0.0.1:1'\n"
            "[file]\ntrees = []\nsensitive = []\n"
        )
        self.watch: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start watch in the host's mount namespace, and wait until it reports."""
        command = ["nsenter", f"--mount=/proc/{self.host.pid}/ns/mnt", sys.executable, "-m", "agent.cli"]
        with (self.folder / "output").open("wb") as output:
            self.watch = subprocess.Popen(
                [*command, "watch", "--config", str(self._config)],
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.wait((self.folder / "run/status.json").exists, "watch does not report")

    def stop(self) -> None:
        if self.watch is not None:
            with contextlib.suppress(ProcessLookupError):
                self.watch.send_signal(signal.SIGTERM)
            self.watch.wait(60)
            self.watch = None

    def next(self, user: str, command: str) -> str:
        """Return a command that goes on to another user's account and runs command there."""
        return f"ssh {QUIET} -p {self.host.port} -i ~/next -l {user} {self.host.address} {command}"

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if holds():
                return
            time.sleep(0.2)
        pytest.fail(f"{what}\n{(self.folder / 'output').read_text()[-3000:]}")

    def ended(self) -> int:
        """Return how many of the users' sessions over ssh are told to be closed."""
        return sum(
            isinstance(event.body, SessionClose)
            and event.body.program.startswith("sshd")
            and event.body.user in self.keys
            for _, event in self.events()
        )

    def events(self) -> list[tuple[str, Event[Body]]]:
        """Return what the agent sealed, in the order of its numbers, with the boot id."""
        found = [
            (statement.boot, event)
            for lane in LANES
            for statement, events in enrolled_host.sealed(self.places.spool, lane)
            for event in events
        ]
        return sorted(found, key=lambda one: one[1].seq)

    def sessions(self) -> dict[tuple[str, int], SessionRevision]:
        """Return the newest revision of each session of the users, by account and when it was opened."""
        engine = Attribution(ssh_ports=frozenset({self.host.port}))
        newest: dict[int, SessionRevision] = {}
        for boot, event in self.events():
            origin = Origin("a1", 1, boot, "host", 1, event.time)
            engine.attribute(origin, event)
            newest |= {one.session: one for one in engine.revisions(event.time + 3600 * 10**9)}
        told = sorted(
            (one for one in newest.values() if one.user in self.keys), key=lambda one: one.opened or 0
        )
        return {(one.user, number): one for number, one in enumerate(told)}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with PrivateHost(tmp_path / "host") as host:
        made = Place(host, tmp_path)
        with unpinned(tmp_path / "state"):
            try:
                yield made
            finally:
                made.stop()


@pytest.mark.timeout(240)
def test_three_sessions_and_a_jump_are_the_first_ones_person(place: Place) -> None:
    place.start()
    last = place.next(THIRD, f"head -c {SENT} /dev/zero")
    done = place.host.ssh(FIRST, place.next(SECOND, f"'{last}'"), key=place.keys[FIRST])
    assert (done.returncode, len(done.stdout)) == (0, SENT), done.stderr
    jump = f"ssh {QUIET} -p {place.host.port} -i {place.keys[FIRST]} -l {FIRST} -W %h:%p {place.host.address}"
    jumped = place.host.ssh(THIRD, "sleep 2", key=place.keys[THIRD], options=("-o", f"ProxyCommand={jump}"))
    assert jumped.returncode == 0, jumped.stderr
    place.wait(lambda: place.ended() >= 5, "the ends of the sessions are not told")
    place.stop()
    told = place.sessions()
    assert [user for user, _ in told] == [FIRST, SECOND, THIRD, FIRST, THIRD]
    first, second, third, jump_host, target = told.values()
    assert [one.person.name for one in told.values()] == [FIRST] * 5
    assert [one.person.how for one in told.values()] == ["kernel", "hop", "hop", "kernel", "hop"]
    assert [hop.user for hop in third.person.chain] == [FIRST, SECOND]
    assert [hop.session for hop in target.person.chain] == [jump_host.session]
    assert third.person.fingerprint == first.fingerprint != third.fingerprint == third.person.key
    uids = {f"a1:1:{event.seq}": event.body for _, event in place.events()}
    assert isinstance(uids[third.person.because[-1]], Accepted)
    for one in (first, second, third):
        assert SENT < one.bytes_out < 5 * SENT, one.user
