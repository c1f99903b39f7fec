"""The login sensor against a real sshd, sudo, su and rsyslogd on loopback."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from agent.ladder import climb
from agent.sensor import Context, Feed, Moment
from agent.sensors.login import SENSOR
from agent.settings import Login, Settings
from evidence.kind import Actor, Body
from evidence.kinds.login import Accepted, Disconnected, Failed, SessionClose, SessionOpen, Su, Sudo
from range.test_host import PrivateHost

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a mount namespace and sshd"),
]


T = TypeVar("T")


class NoProcesses:
    def actor(self, pid: int, mono: int | None = None) -> Actor | None:  # noqa: ARG002 - the contract's names
        return None

    def formers(self, pid: int, since: int, until: int) -> tuple[Actor, ...]:  # noqa: ARG002 - of the protocol
        return ()

    def became(self, pid: int, start: int | None, since: int, until: int) -> str | None:  # noqa: ARG002 - as above
        return None


def clock() -> Moment:
    return Moment(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))


@pytest.fixture(params=["traditional", "rfc3339"], scope="module")
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateHost]:
    with PrivateHost(tmp_path_factory.mktemp("host"), stamps=request.param) as running:
        running.add_user("vdalice", "correct horse", sudo="NOPASSWD: /usr/bin/id")
        running.add_user("vdbob", "battery staple")
        yield running


def open_feed(host: PrivateHost, state: Path, rung: str = "log") -> Feed:
    login = Login(
        logs=(str(host.logs / "secure-not-there"), str(host.logs / "auth.log")),
        wtmp=str(host.logs / "wtmp"),
        btmp=str(host.logs / "btmp"),
        syslog=str(host.syslog),
    )
    context = Context(Settings(login=login), state, NoProcesses(), clock)
    return next(member for member in SENSOR.rungs if member.name == rung).open(context)


def read_until(feed: Feed, enough: Callable[[list[Body]], bool]) -> list[Body]:
    """Return the bodies up to enough of them; the caller's assertions name what is missing after 20 s."""
    bodies: list[Body] = []
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not enough(bodies):
        bodies += [seen.body for seen in feed.read(clock())]
        time.sleep(0.02)
    return bodies


def during(feed: Feed, act: Callable[[], T], enough: Callable[[list[Body]], bool]) -> tuple[T, list[Body]]:
    """Read as watch does, while act goes on: what act starts is seen alive."""
    with ThreadPoolExecutor(1) as pool:
        acting = pool.submit(act)
        bodies = read_until(feed, lambda bodies: acting.done() and enough(bodies))
        return acting.result(), bodies


def of(bodies: list[Body], kind: type[Body], **fields: object) -> list[Body]:
    return [
        body
        for body in bodies
        if isinstance(body, kind) and all(getattr(body, name) == value for name, value in fields.items())
    ]


def start(host: PrivateHost, state: Path) -> Feed:
    feed = open_feed(host, state)
    test = feed.trigger()
    assert any(test(body) for body in read_until(feed, lambda bodies: any(map(test, bodies))))
    return feed


def test_a_login_carries_key_address_and_audit_session(host: PrivateHost, tmp_path: Path) -> None:
    feed = start(host, tmp_path)
    key = host.folder / "vdalice.key"
    done, bodies = during(
        feed,
        lambda: host.ssh(
            "vdalice", "cat /proc/self/loginuid; echo; cat /proc/self/sessionid; sleep 1", key=key
        ),
        lambda bodies: bool(of(bodies, SessionClose, program="sshd")),
    )
    auid, session = map(int, done.stdout.split())
    (accepted,) = of(bodies, Accepted)
    (opened,) = of(bodies, SessionOpen, program="sshd")
    (closed,) = of(bodies, SessionClose, program="sshd")
    (gone,) = of(bodies, Disconnected)
    fingerprint = host.run("ssh-keygen", "-l", "-f", f"{key}.pub").split()[1]
    assert isinstance(accepted, Accepted)
    assert isinstance(opened, SessionOpen)
    assert isinstance(gone, Disconnected)
    assert (accepted.user, accepted.method, accepted.fingerprint) == ("vdalice", "publickey", fingerprint)
    assert accepted.source is not None
    assert accepted.source.ip == "127.0.0.1"
    assert accepted.source.port is not None
    assert gone.source == accepted.source
    assert opened.pid == accepted.pid
    for body in (accepted, opened, gone, closed):
        assert (getattr(body, "auid", None), getattr(body, "session", None)) == (auid, session)
    assert of(bodies, SessionOpen, program="wtmp") == []
    feed.close()


def test_refused_logins(host: PrivateHost, tmp_path: Path) -> None:
    feed = start(host, tmp_path)
    evil = "vdalice from 6.6.6.6 port 1 ssh2"
    host.ssh("vdalice", "true", password="wrong")
    host.ssh(evil, "true", password="wrong")
    host.ssh("vdbob", "true", key=host.folder / "vdalice.key")
    bodies = read_until(feed, lambda bodies: len(of(bodies, Failed)) >= 3)
    known, invalid, by_key = of(bodies, Failed)
    assert isinstance(known, Failed)
    assert isinstance(invalid, Failed)
    assert isinstance(by_key, Failed)
    assert (known.user, known.method, known.known) == ("vdalice", "password", True)
    assert (invalid.user, invalid.known) == (evil, False)
    assert (by_key.user, by_key.known) == ("vdbob", True)
    for failed in (known, invalid, by_key):
        assert failed.source is not None
        assert failed.source.ip == "127.0.0.1"
    feed.close()


def test_sudo_and_su(host: PrivateHost, tmp_path: Path) -> None:
    feed = start(host, tmp_path)
    key = host.folder / "vdalice.key"
    commands = "sudo id; sudo -S ls; su vdbob -c id; sleep 0.5"

    def act() -> None:
        host.ssh("vdalice", commands, key=key, stdin="wrong\nwrong\nwrong\n")
        host.ssh("vdalice", "su vdbob -c 'sleep 0.5'", key=key, stdin="battery staple\n")

    _, bodies = during(
        feed, act, lambda bodies: len(of(bodies, Su)) >= 2 and len(of(bodies, SessionClose)) >= 4
    )
    allowed, refused = of(bodies, Sudo, allowed=True), of(bodies, Sudo, allowed=False)
    assert [(body.user, body.target, body.command) for body in allowed if isinstance(body, Sudo)] == [
        ("vdalice", "root", "/usr/bin/id")
    ]
    assert [body.command for body in refused if isinstance(body, Sudo)] == ["/usr/bin/ls"]
    assert [(body.user, body.target) for body in of(bodies, Su, allowed=False) if isinstance(body, Su)] == [
        ("vdalice", "vdbob")
    ]
    (became,) = of(bodies, Su, allowed=True)
    (_, again) = of(bodies, Accepted)
    assert isinstance(became, Su)
    assert isinstance(again, Accepted)
    assert became.auid == again.auid is not None
    assert became.session == again.session is not None
    feed.close()


def test_rotation_and_restart_lose_and_repeat_nothing(host: PrivateHost, tmp_path: Path) -> None:
    key = host.folder / "vdalice.key"
    feed = start(host, tmp_path)
    host.ssh("vdalice", "true", key=key)
    host.rotate()
    host.ssh("vdalice", "true", key=key)
    bodies = read_until(feed, lambda bodies: len(of(bodies, SessionClose, program="sshd")) >= 2)
    feed.close()
    host.ssh("vdalice", "true", key=key)
    host.rotate()
    host.ssh("vdalice", "true", key=key)
    feed = open_feed(host, tmp_path)
    bodies += read_until(feed, lambda bodies: len(of(bodies, SessionClose, program="sshd")) >= 2)
    assert len(of(bodies, Accepted)) == 4
    assert len(of(bodies, SessionOpen, program="sshd")) == 4
    assert len(of(bodies, SessionClose, program="sshd")) == 4
    assert list(feed.losses(clock())) == []
    feed.close()


def test_the_last_rung_waits_for_a_log_to_appear(host: PrivateHost, tmp_path: Path) -> None:
    feed = open_feed(host, tmp_path, "wait")
    test = feed.trigger()
    assert any(test(body) for body in read_until(feed, lambda bodies: any(map(test, bodies))))
    (host.logs / "secure-not-there").write_text("2026-11-22T04:41:28Z h su[1]: (to root) eve on pts/1\n")
    (became,) = of(read_until(feed, lambda bodies: bool(of(bodies, Su, user="eve"))), Su, user="eve")
    assert isinstance(became, Su)
    (host.logs / "secure-not-there").unlink()
    feed.close()


_JOURNALD = """
mount --bind "$1" /run
mkdir -p /run/systemd/journal /run/log/journal
exec /lib/systemd/systemd-journald
"""


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A systemd-journald of our own; yields the folder that is its /run."""
    if not Path("/lib/systemd/systemd-journald").exists():
        pytest.skip("systemd-journald is not installed")
    run = tmp_path / "run"
    run.mkdir()
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _JOURNALD, "journald", str(run)]
    journald = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wrapper = tmp_path / "bin/journalctl"
    wrapper.parent.mkdir()
    machine = Path("/etc/machine-id").read_text().strip()
    wrapper.write_text(f'#!/bin/sh\nexec /usr/bin/journalctl --directory={run}/log/journal/{machine} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not (run / f"log/journal/{machine}/system.journal").exists():
        time.sleep(0.05)
    yield run
    journald.kill()
    journald.wait()


def log(run: Path, text: str, *as_user: str) -> None:
    socket = str(run / "systemd/journal/dev-log")
    subprocess.run([*as_user, "logger", "-u", socket, "-p", "authpriv.info", "-t", "sshd", text], check=True)


def test_the_journal_is_followed_and_forged_entries_are_left_out(journal: Path, tmp_path: Path) -> None:
    def opened() -> Feed:
        login = Login(
            wtmp=str(tmp_path / "wtmp"),
            btmp=str(tmp_path / "btmp"),
            syslog=str(journal / "systemd/journal/dev-log"),
        )
        context = Context(Settings(login=login), tmp_path, NoProcesses(), clock)
        return next(member for member in SENSOR.rungs if member.name == "journal").open(context)

    log(journal, "Failed password for before from 192.0.2.1 port 7 ssh2")
    feed = opened()
    test = feed.trigger()
    assert any(test(body) for body in read_until(feed, lambda bodies: any(map(test, bodies))))
    nobody = ("setpriv", "--reuid", "65534", "--clear-groups")
    log(journal, "Failed password for forged from 6.6.6.6 port 7 ssh2", *nobody)
    log(journal, "Failed password for during from 192.0.2.1 port 7 ssh2")
    bodies = read_until(feed, lambda bodies: bool(of(bodies, Failed)))
    feed.close()
    log(journal, "Failed password for while-down from 192.0.2.1 port 7 ssh2")
    feed = opened()
    bodies += read_until(feed, lambda bodies: bool(of(bodies, Failed)))
    assert [getattr(body, "user", None) for body in of(bodies, Failed)] == ["during", "while-down"]
    feed.close()


def wait(feed: Feed) -> None:
    select.select(feed.filenos(), [], [], min(feed.period or 0.1, 0.1))


def test_the_ladder_takes_the_log_that_lives_and_leaves_a_dead_one(host: PrivateHost, tmp_path: Path) -> None:
    login = Login(logs=(str(host.logs / "auth.log"),), syslog=str(host.syslog))
    alive = climb(SENSOR, Context(Settings(login=login), tmp_path, NoProcesses(), clock), wait)
    assert alive.rung == "log"
    assert alive.feed is not None
    alive.feed.close()

    (tmp_path / "old").mkdir()
    dead = tmp_path / "old/auth.log"
    dead.write_text("Nov 22 04:41:26 h su[1]: (to root) eve on pts/1\n")
    login = Login(logs=(str(dead),), syslog=str(tmp_path / "nobody-listens"))
    fallen = climb(SENSOR, Context(Settings(login=login), tmp_path, NoProcesses(), clock), wait)
    assert fallen.rung in {"journal", "wait"}
    assert fallen.tried[0].works is False
    assert fallen.feed is not None
    fallen.feed.close()
