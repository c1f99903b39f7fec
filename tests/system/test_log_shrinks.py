"""Real logs of a real rsyslogd: who empties or edits them is named, and rotations are not told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.decode.utmp import record_size
from agent.sensor import Context, Feed, Gathering, Moment
from agent.sensors.login import SENSOR
from agent.settings import Login, Settings
from evidence.kind import Actor, Body
from evidence.kinds.file import Shrunk

CONFIG = """
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{folder}/socket" RateLimit.Interval="0")
$ActionFileDefaultTemplate RSYSLOG_FileFormat
*.* {folder}/auth.log
"""
LINES = 6

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for fanotify"),
    pytest.mark.skipif(shutil.which("rsyslogd") is None, reason="rsyslogd is not installed"),
]


class ByPid:
    """Knows programs that live, and of the others that they were some program."""

    def actor(self, pid: int, mono: int | None = None) -> Actor | None:  # noqa: ARG002 - the contract's names
        try:
            return Actor(pid=pid, exe=str(Path(f"/proc/{pid}/exe").readlink()))
        except OSError:
            return Actor(pid=pid, exe="/gone")

    def formers(self, pid: int, since: int, until: int) -> tuple[Actor, ...]:  # noqa: ARG002 - of the protocol
        return ()

    def became(self, pid: int, start: int | None, since: int, until: int) -> str | None:  # noqa: ARG002 - as above
        return None


class Daemon:
    """rsyslogd with one log, and what was read of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log, self.wtmp = folder, folder / "auth.log", folder / "wtmp"
        self._config = folder / "rsyslog.conf"
        self._config.write_text(CONFIG.format(folder=folder))
        for name in ("wtmp", "btmp"):
            (folder / name).touch()
        self.start()

    def start(self) -> None:
        line = ["rsyslogd", "-n", "-f", str(self._config), "-i", str(self.folder / "pid")]
        self.process = subprocess.Popen(line)
        until((self.folder / "socket").exists)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        (self.folder / "socket").unlink(missing_ok=True)

    def say(self, *words: str) -> None:
        for word in words:
            line = ["logger", "--socket", str(self.folder / "socket"), "--tag", "sshd[7]", word]
            subprocess.run(line, check=True)
        until(lambda: any(words[-1] in log.read_text() for log in self.folder.glob("auth.log*")))


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def clock() -> Moment:
    return Moment(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    running = Daemon(tmp_path)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def feed(daemon: Daemon, tmp_path: Path) -> Iterator[Feed]:
    daemon.say(*(f"Connection closed by 192.0.2.1 port {number}" for number in range(LINES)))
    login = Login(
        logs=(str(daemon.log),),
        wtmp=str(daemon.wtmp),
        btmp=str(tmp_path / "btmp"),
        syslog=str(tmp_path / "socket"),
    )
    (tmp_path / "state").mkdir()
    context = Context(Settings(login=login), tmp_path / "state", ByPid(), clock)
    opened = next(rung for rung in SENSOR.rungs if rung.name == "log").open(context)
    yield opened
    opened.close()


def shrunk(feed: Feed, seconds: float = 4.0) -> list[Shrunk]:
    """Read as watch does for a while: what has happened is judged after two seconds."""
    found: list[Body] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found += [seen.body for seen in feed.read(clock())]
        time.sleep(0.05)
    return [body for body in found if isinstance(body, Shrunk)]


def run(code: str, path: Path) -> int:
    """Run Python code with path as its first argument; return the process's pid."""
    process = subprocess.Popen([sys.executable, "-c", code, str(path)])
    assert process.wait() == 0
    return process.pid


EDITS = {
    "truncated": "import sys; open(sys.argv[1], 'r+').truncate(0)",
    "rewritten by an open": "import sys; open(sys.argv[1], 'w').close()",
    "removed": "import os, sys; os.unlink(sys.argv[1])",
}
OUT = """
import os, sys
path = sys.argv[1]
kept = [line for line in open(path) if not line.endswith("port 3\\n")]
open(path + "x", "w").writelines(kept)
os.rename(path + "x", path)
"""


@pytest.mark.parametrize("how", EDITS)
def test_who_empties_a_log_is_named_and_rotations_are_not_told(daemon: Daemon, feed: Feed, how: str) -> None:
    assert shrunk(feed, 0.5) == []
    size = daemon.log.stat().st_size
    pid = run(EDITS[how], daemon.log)
    (told,) = shrunk(feed)
    assert told.path == str(daemon.log)
    assert told.before is not None
    assert told.before.size == size
    assert told.actor == Actor(pid=pid, exe="/gone")
    assert told.lost >= LINES
    assert told.lost_from is not None
    assert told.how == ("removed" if how == "removed" else "truncated")


def test_one_line_taken_out_is_told_and_the_rest_is_read_on(daemon: Daemon, feed: Feed) -> None:
    pid = run(OUT, daemon.log)
    daemon.stop()
    daemon.start()
    daemon.say("Connection closed by 192.0.2.1 port 77")
    (told,) = shrunk(feed)
    assert (told.how, told.lost, len(told.lost_at)) == ("replaced", 1, 1)
    assert told.actor == Actor(pid=pid, exe="/gone")


def test_a_login_record_overwritten_with_zeros_is_told(daemon: Daemon, feed: Feed) -> None:
    size = record_size(os.uname().machine)
    with daemon.wtmp.open("ab") as file:
        file.write(b"".join(bytes([7, 0, number]) + bytes(size - 3) for number in range(3)))
    assert shrunk(feed, 1.5) == []
    pid = run(
        f"import sys; f = open(sys.argv[1], 'r+b'); f.seek({size}); f.write(bytes({size}))", daemon.wtmp
    )
    (told,) = shrunk(feed)
    assert (told.path, told.how, told.lost) == (str(daemon.wtmp), "rewritten", 1)
    assert told.actor == Actor(pid=pid, exe="/gone")


def test_what_was_just_emptied_is_told_at_a_stop(daemon: Daemon, feed: Feed) -> None:
    assert isinstance(feed, Gathering)
    assert shrunk(feed, 0.5) == []
    pid = run(EDITS["truncated"], daemon.log)
    told = [seen.body for seen in (*feed.read(clock()), *feed.rest(clock()))]
    (one,) = [body for body in told if isinstance(body, Shrunk)]
    assert one.actor == Actor(pid=pid, exe="/gone")


ROTATIONS = {
    "create": "su root root\ncreate 0640 root root\npostrotate\nkill -HUP {pid}\nendscript\n",
    "copytruncate": "su root root\ncopytruncate\n",
    "dateext": "su root root\ndateext\ncreate 0640 root root\npostrotate\nkill -HUP {pid}\nendscript\n",
}


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="logrotate is not installed")
@pytest.mark.parametrize("how", ROTATIONS)
def test_logrotate_is_not_told(daemon: Daemon, feed: Feed, how: str) -> None:
    settings = daemon.folder / "logrotate.conf"
    said = ROTATIONS[how].format(pid=daemon.process.pid)
    settings.write_text(f"{daemon.log} {{\nrotate 3\n{said}}}\n")
    settings.chmod(0o644)
    state = daemon.folder / "logrotate.state"
    subprocess.run(["logrotate", "--force", "--state", str(state), str(settings)], check=True)
    daemon.say("Connection closed by 192.0.2.1 port 78")
    assert shrunk(feed) == []


def test_a_rotation_by_hand_is_not_told(daemon: Daemon, feed: Feed) -> None:
    daemon.log.rename(daemon.folder / "auth.log.1")
    daemon.process.send_signal(1)
    daemon.say("Connection closed by 192.0.2.1 port 79")
    assert shrunk(feed) == []
