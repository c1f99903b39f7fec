"""The state sensor on this host: a job is told with who wrote it, and being there costs next to nothing."""

from __future__ import annotations

import os
import secrets
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.errors import RungUnavailable
from agent.kernel.procfs import read_process
from agent.ladder import climb
from agent.processes import ProcessTable
from agent.sensor import Context, Feed, Moment
from agent.sensors.file import SENSOR as FILE
from agent.sensors.state import SENSOR
from agent.settings import File, Settings
from evidence.kind import Body
from evidence.kinds.file import Create
from evidence.kinds.state import Changed, Host, Packages

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: writes into /etc/cron.d"),
]


def clock() -> Moment:
    return Moment(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))


def wait(feed: Feed) -> None:
    select.select(feed.filenos(), [], [], 0.2 if feed.period is None else min(feed.period, 0.2))


def until(feeds: list[Feed], accept: Callable[[Body], bool]) -> tuple[Body, list[Body]]:
    """Return the first body that is accepted and all so far; the test's time limit ends it otherwise."""
    seen: list[Body] = []
    while True:
        for feed in feeds:
            came = [one.body for one in feed.read(clock())]
            seen += came
            for body in came:
                if accept(body):
                    return body, seen
        wait(feeds[-1])


@pytest.fixture
def around(tmp_path: Path) -> Context:
    watched = File(trees=("/etc/cron.d",), sensitive=(), dpkg=str(tmp_path / "none"), scan_pressure=100.0)
    settings = Settings(file=watched)
    return Context(settings, tmp_path, ProcessTable(settings.process.table, read_process), clock)


@pytest.fixture
def job() -> Iterator[Path]:
    path = Path("/etc/cron.d") / f"vedette-test-{secrets.token_hex(4)}"
    yield path
    path.unlink(missing_ok=True)


def opened(context: Context) -> Feed:
    climbed = climb(SENSOR, context, wait)
    assert climbed.feed is not None, climbed.tried
    assert climbed.rung == "inotify"
    return climbed.feed


def test_this_host_is_told_and_a_job_with_who_wrote_it(around: Context, job: Path) -> None:
    try:
        file = FILE.rungs[0].open(around)
    except RungUnavailable as refused:
        pytest.skip(f"fanotify: {refused.reason}")
    state = opened(around)
    feeds = [file, state]
    host, seen = until(feeds, lambda body: isinstance(body, Host))
    assert isinstance(host, Host)
    assert host.host == os.uname().nodename
    assert "root" in {user.name for user in host.users}
    assert any(address.startswith("127.0.0.1/") for one in host.interfaces for address in one.addresses)
    assert host.packages is None or any(isinstance(body, Packages) for body in seen)
    script = f"echo '* * * * * root /bin/true' > {job}; read until_told"
    writer = subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE)
    told, seen = until(feeds, lambda body: isinstance(body, Changed) and body.subject == str(job))
    assert isinstance(told, Changed)
    assert (told.change, told.added, told.while_down) == (
        "appeared",
        ("* * * * * root /bin/true",),
        False,
    )
    assert told.actor is not None
    assert told.actor.pid == writer.pid
    assert [one.told_by for one in seen if isinstance(one, Create) and one.path == str(job)] == [
        "state.changed"
    ]
    writer.communicate()
    job.unlink()
    gone, _ = until(feeds, lambda body: isinstance(body, Changed) and body.subject == str(job))
    assert isinstance(gone, Changed)
    assert gone.change == "gone"
    assert gone.actor is not None
    assert gone.actor.pid == os.getpid()
    for feed in feeds:
        feed.close()


def test_a_listener_of_a_minute_is_told_with_its_owner(around: Context) -> None:
    feed = opened(around)
    until([feed], lambda body: isinstance(body, Host))
    with socket.create_server(("127.0.0.1", 0)) as server:
        name = f"tcp 127.0.0.1:{server.getsockname()[1]}"
        told, _ = until([feed], lambda body: isinstance(body, Changed) and body.subject == name)
    assert isinstance(told, Changed)
    assert told.added == (str(Path("/proc/self/exe").readlink()),)
    assert told.actor is not None
    assert told.actor.pid == os.getpid()
    feed.close()
