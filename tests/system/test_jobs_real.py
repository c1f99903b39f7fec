"""A crontab and an at job written in a real ssh session: what cron and atd run is that session's person."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from agent.layout import Layout
from collector.attribution.attribution import Attribution
from collector.record import Origin, Person
from evidence.event import Event
from evidence.kind import Body, Lane
from evidence.kinds.login import Accepted
from evidence.kinds.process import Exec
from evidence.kinds.state import Changed, Host
from range.test_host import PrivateHost
from tests.agent import enrolled_host
from tests.system.agent_at_work import unpinned

ROOT = Path(__file__).parents[2]
LANES: tuple[Lane, Lane] = ("priority", "bulk")
USER = "vdjobs"
NEEDED = ("cron", "atd", "crontab", "at")
_SPOOL = f"""
set -e
mount -t tmpfs -o mode=755 cron /var/spool/cron
cd /var/spool/cron
install -d -g crontab -m 1730 crontabs
install -d -o daemon -g daemon -m 1770 atjobs atspool
install -o daemon -g daemon -m 600 /dev/null atjobs/.SEQ
printf '# nothing yet\\n' > crontabs/{USER}
chown {USER}:crontab crontabs/{USER}
chmod 600 crontabs/{USER}
"""
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a mount namespace, sshd, cron and atd"),
]


class Jobs:
    """A test host with cron's and at's spools of its own; agent and daemons in its mount namespace."""

    def __init__(self, host: PrivateHost, folder: Path) -> None:
        self.host = host
        self.folder = folder
        self.key = host.add_user(USER, "correct horse")
        host.run("sh", "-c", _SPOOL)
        self.places: Layout = enrolled_host.enrol(folder / "state")
        self.config = folder / "agent.toml"
        self.config.write_text(
            f"state = '{folder}/state'\nruntime = '{folder}/run'\nheartbeat = 1\n"
            "[collector]\ningest = 'https://127.0.0.1:1'\n"
            "[file]\ntrees = ['/var/spool/cron']\nsensitive = []\n"
        )
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a program in the host's mount namespace."""
        namespace = f"--mount=/proc/{self.host.pid}/ns/mnt"
        with (self.folder / "output").open("ab") as output:
            process = subprocess.Popen(
                ["nsenter", namespace, *command],
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.running.append(process)
        return process

    def ssh(self, command: str, stdin: str = "") -> None:
        done = self.host.ssh(USER, command, key=self.key, stdin=stdin)
        assert done.returncode == 0, done.stderr

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if holds():
                return
            time.sleep(0.1)
        pytest.fail(f"{what}\n{(self.folder / 'output').read_text()[-3000:]}")

    def made(self, name: str) -> bool:
        return (self.host.homes / USER / name).exists()

    def is_host_told(self) -> bool:
        """Return whether the first look is over, against which changes are told."""
        return any(isinstance(event.body, Host) for _, event in self.events())

    def is_told(self, job: str) -> bool:
        """Return whether what a job's file says is told."""
        changed = [event.body for _, event in self.events() if isinstance(event.body, Changed)]
        return any(job in line for body in changed for line in body.added)

    def stop(self) -> None:
        for process in reversed(self.running):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            process.wait(30)
        self.running = []

    def events(self) -> list[tuple[str, Event[Body]]]:
        """Return what the agent sealed, in the order of its numbers, with the boot id."""
        found = [
            (statement.boot, event)
            for lane in LANES
            for statement, events in enrolled_host.sealed(self.places.spool, lane)
            for event in events
        ]
        return sorted(found, key=lambda one: one[1].seq)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (apt-get install cron at)")
    with PrivateHost(tmp_path / "host") as host:
        made = Jobs(host, tmp_path)
        with unpinned(tmp_path / "state"):
            try:
                yield made
            finally:
                made.stop()


@pytest.mark.timeout(240)
def test_what_cron_and_at_run_is_the_persons_whose_session_wrote_it(jobs: Jobs) -> None:
    watch = jobs.start(sys.executable, "-m", "agent.cli", "watch", "--config", str(jobs.config))
    jobs.wait((jobs.folder / "run/status.json").exists, "watch does not report")
    jobs.wait(jobs.is_host_told, "the host is not told, so its jobs are not known")
    jobs.ssh("crontab -", f"@reboot /usr/bin/touch /home/{USER}/by-cron\n")
    jobs.ssh("at now", f"/usr/bin/touch /home/{USER}/by-at\n")
    for job in ("by-cron", "by-at"):
        jobs.wait(partial(jobs.is_told, job), f"the file of {job} is not told")
    jobs.start("cron", "-f")
    jobs.start("atd", "-f")
    jobs.wait(lambda: jobs.made("by-cron"), "cron did not run the job")
    jobs.wait(lambda: jobs.made("by-at"), "atd did not run the job")
    watch.send_signal(signal.SIGTERM)
    watch.wait(30)
    engine, found = Attribution(), {}
    for boot, event in jobs.events():
        person = engine.attribute(Origin("a1", 1, boot, "web1", 1, 1), event)
        if isinstance(event.body, Accepted):
            fingerprint = event.body.fingerprint
        if isinstance(event.body, Exec) and event.body.argv[:1] == ("/usr/bin/touch",):
            found[event.body.argv[1].rpartition("/")[2]] = (person, event.body)
    assert set(found) == {"by-cron", "by-at"}
    for name, (person, body) in found.items():
        assert isinstance(person, Person), name
        assert (person.name, person.how) == (USER, "job"), name
        assert (person.fingerprint, person.source) == (fingerprint, "127.0.0.1"), name
        assert person.session == body.session is not None, name
        assert person.because, name
