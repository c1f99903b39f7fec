"""The state sensor on a host of its own below a folder: what changes is told once, whenever it happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from agent.decode.package_db import locked_inodes
from agent.enrich import Surroundings, all_enrichments, enrich
from agent.feeds.state import StateFeed
from agent.file_authors import Authors
from agent.host_state.state_folders import StateFolders
from agent.kernel.inotify import Inotify
from agent.processes import ProcessTable
from agent.redaction import Redactor
from agent.sensor import Context, Moment
from agent.settings import HostState, Redaction, Settings
from evidence.kind import Actor, Body
from evidence.kinds.agent import Loss
from evidence.kinds.file import Change, Explanation
from evidence.kinds.state import Changed, Host, Packages

S = 1_000_000_000
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0S0eYBk0OEpSFgIPXuKeTiKNnwp8u3b3NJ4dVJ6KtQ"
PASSWD = "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/sh\n"
STATUS = "Package: {}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {}\n\n"


class Machine:
    """A root of its own, and the sensor's feed on it; time goes on as the test says."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.state = folder / "state"
        self.state.mkdir()
        self.mono = 1000 * S
        self.feed: StateFeed | None = None
        self.authors = Authors()
        self.write("etc/passwd", PASSWD)
        self.write("etc/shadow", "root:$6$salt$hunter2hash:20000:0:99999:7:::\n")
        (self.root / "home/alice").mkdir(parents=True)
        (self.root / "etc/cron.d").mkdir()

    def write(self, path: str, text: str) -> None:
        where = self.root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)

    def start(self, *, notices: bool = True, poll: float = 300.0) -> None:
        settings = Settings(host_state=HostState(root=str(self.root), poll_seconds=poll))
        context = Context(
            settings, self.state, ProcessTable(64, lambda _: None), self.now, authors=self.authors
        )
        self.feed = StateFeed(context, StateFolders(Inotify()) if notices else None)

    def stop(self) -> None:
        assert self.feed is not None
        self.feed.close()
        self.feed = None

    def now(self) -> Moment:
        return Moment(10**18 + self.mono, self.mono)

    def go(self, seconds: float) -> list[Body]:
        """Read as watch does for that long; return what was told but for the listeners, which are real."""
        assert self.feed is not None
        bodies: list[Body] = []
        until = self.mono + int(seconds * S)
        while self.mono < until:
            bodies += [one.body for one in self.feed.read(self.now())]
            self.mono += S // 10
        return [body for body in bodies if getattr(body, "source", None) not in {"listeners", "modules"}]

    def changes(self, seconds: float = 8) -> list[Changed]:
        return [body for body in self.go(seconds) if isinstance(body, Changed)]

    def one(self, seconds: float = 8) -> Changed:
        (found,) = self.changes(seconds)
        return found

    def losses(self) -> list[Loss]:
        assert self.feed is not None
        return list(self.feed.losses(self.now()))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    if made.feed is not None:
        made.stop()


@pytest.fixture
def running(machine: Machine) -> Machine:
    machine.start()
    assert machine.changes() == []
    return machine


def test_the_first_look_is_silent_and_tells_the_inventory(machine: Machine) -> None:
    machine.write("var/lib/dpkg/status", STATUS.format("bash", "5.2"))
    machine.start()
    host, packages = machine.go(8)
    assert isinstance(host, Host)
    assert [user.name for user in host.users] == ["root", "alice"]
    assert host.packages == 1
    assert isinstance(packages, Packages)
    assert packages.packages == {"bash": "5.2"}
    assert packages.packages_sha256 == host.packages_sha256


def test_a_cron_file_appears_changes_and_goes(running: Machine) -> None:
    running.write("etc/cron.d/job", "# note\n* * * * * root /bin/x\n")
    told = running.one()
    assert (told.source, told.subject, told.change) == ("cron", "/etc/cron.d/job", "appeared")
    assert told.added == ("* * * * * root /bin/x",)
    assert told.path == "/etc/cron.d/job"
    assert not told.while_down
    running.write("etc/cron.d/job", "# another note\n* * * * * root /bin/y\n")
    told = running.one()
    assert (told.change, told.added, told.removed) == (
        "changed",
        ("* * * * * root /bin/y",),
        ("* * * * * root /bin/x",),
    )
    (running.root / "etc/cron.d/job").unlink()
    assert (told := running.one()).change == "gone"
    assert told.removed == ("* * * * * root /bin/y",)


def test_what_says_the_same_is_no_event(running: Machine) -> None:
    running.write("etc/cron.d/job", "* * * * * root /bin/x\n")
    running.one()
    running.write("etc/cron.d/job", "# a comment\n*  *  * * * root /bin/x\n")
    assert running.changes() == []


def test_a_burst_of_writes_is_one_event(running: Machine) -> None:
    for number in range(20):
        running.write("etc/cron.d/job", f"* * * * * root /bin/{number}\n")
        assert running.changes(0.2) == []
    assert running.one().added == ("* * * * * root /bin/19",)


def test_the_first_key_of_an_account_without_a_folder_for_it(running: Machine) -> None:
    (running.root / "home/alice/.ssh").mkdir()
    running.write("home/alice/.ssh/authorized_keys", f'command="x" {KEY} mallory\n')
    told = running.one()
    assert (told.source, told.subject) == ("authorized_keys", "/home/alice/.ssh/authorized_keys")
    (line,) = told.added
    assert line.startswith("SHA256:")
    assert line.endswith(', ssh-ed25519, options command="x", comment mallory')
    assert KEY.split()[1] not in json.dumps(msgspec.to_builtins(told))


def test_a_folder_far_below_what_exists_is_waited_for_step_by_step(running: Machine) -> None:
    folder = running.root / "home/alice/.config/systemd/user"
    for parent in (folder.parent.parent, folder.parent, folder):
        parent.mkdir()
        assert running.changes(3) == []
    running.write("home/alice/.config/systemd/user/x.service", "[Service]\nExecStart=/tmp/x\n")
    assert running.one().added == ("Service.ExecStart=/tmp/x",)


def test_a_new_account_and_its_key(running: Machine) -> None:
    running.write("etc/passwd", PASSWD + "eve:x:0:0::/home/eve:/bin/bash\n")
    running.write("home/eve/.ssh/authorized_keys", KEY + "\n")
    account, key = sorted(running.changes(), key=lambda told: told.source, reverse=True)
    assert (account.source, account.subject, account.change) == ("passwd", "eve", "appeared")
    assert account.added == ("uid 0", "login shell")
    assert account.path == "/etc/passwd"
    assert key.subject == "/home/eve/.ssh/authorized_keys"


def test_keys_where_sshd_is_told_to_look(running: Machine) -> None:
    running.write("etc/ssh/keys/alice", KEY + "\n")
    assert running.changes() == []
    running.write("etc/ssh/sshd_config", "Port 22\nAuthorizedKeysFile /etc/ssh/keys/%u none\n")
    assert running.one(310).subject == "/etc/ssh/keys/alice"


def test_a_password_is_told_by_its_owners_name_alone(running: Machine) -> None:
    running.write("etc/shadow", "root:$6$other$canary:20001:0:99999:7:::\n")
    told = running.one()
    assert (told.source, told.subject, told.changed) == ("shadow", "root", ("last change", "password"))
    running.write("etc/shadow", "root:!$6$other$canary:20001:0:99999:7:::\n")
    assert running.one().added == ("locked",)
    running.stop()
    kept = b"".join(path.read_bytes() for path in (running.state / "host_state").iterdir())
    for secret in (b"hunter2hash", b"canary", b"20001"):
        assert secret not in kept


def test_a_unit_is_enabled_by_a_link(running: Machine) -> None:
    wants = running.root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    running.go(3)
    (wants / "x.service").symlink_to("/usr/lib/systemd/system/x.service")
    told = running.one()
    assert told.subject.endswith("multi-user.target.wants/x.service")
    assert told.added == ("link to /usr/lib/systemd/system/x.service",)


def test_what_changed_while_nobody_watched_is_said_at_the_next_start(running: Machine) -> None:
    running.stop()
    running.write("etc/sudoers.d/x", "alice ALL=(ALL) NOPASSWD: ALL\n")
    running.start()
    told = running.one()
    assert told.while_down
    assert told.added == ("alice ALL=(ALL) NOPASSWD: ALL",)
    assert running.changes(400) == []
    running.stop()
    running.start()
    assert running.changes() == []


def test_after_a_crash_before_the_event_was_sealed_it_is_told_again(running: Machine) -> None:
    running.write("etc/sudoers.d/x", "alice ALL=(ALL) ALL\n")
    assert len(running.changes(1.6)) == 1
    running.feed = None  # killed: nothing is closed, nothing is saved
    running.start()
    assert running.one().while_down


def test_once_it_was_sealed_a_crash_does_not_repeat_it(running: Machine) -> None:
    running.write("etc/sudoers.d/x", "alice ALL=(ALL) ALL\n")
    assert len(running.changes(10)) == 1
    running.feed = None
    running.start()
    assert running.changes() == []


def test_the_poll_alone_sees_it_later(machine: Machine) -> None:
    machine.start(notices=False, poll=60)
    assert machine.changes() == []
    machine.write("etc/cron.d/job", "* * * * * root /bin/x\n")
    assert machine.changes(20) == []
    assert machine.one(60).subject == "/etc/cron.d/job"


@pytest.mark.parametrize("notices", [True, False])
def test_sees_its_own_trigger_again_and_again(machine: Machine, *, notices: bool) -> None:
    machine.start(notices=notices)
    assert machine.feed is not None
    for _ in range(2):
        accept = machine.feed.trigger()
        assert [accept(body) for body in machine.changes(2)] == [True]


def test_packages_of_a_transaction_are_one_event(running: Machine) -> None:
    many = "".join(STATUS.format(f"p{number}", "1") for number in range(150))
    running.write("var/lib/dpkg/status", STATUS.format("bash", "5.2") + STATUS.format("gone", "1") + many)
    told = running.one(12)
    assert (told.source, told.subject, len(told.added), told.more) == ("packages", "dpkg", 100, 52)
    running.write("var/lib/dpkg/status", STATUS.format("bash", "5.3") + STATUS.format("new", "2") + many)
    told = running.one(12)
    assert (told.added, told.removed, told.changed) == (("new 2",), ("gone 1",), ("bash 5.2 -> 5.3",))


def test_nothing_packages_bring_is_told_before_the_transaction_is_over(running: Machine) -> None:
    running.write("var/lib/dpkg/lock", "")
    script = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); sys.stdin.read()"
    lock = str(running.root / "var/lib/dpkg/lock")
    holder = subprocess.Popen([sys.executable, "-c", script, lock], stdin=subprocess.PIPE)
    try:
        inode = (running.root / "var/lib/dpkg/lock").stat().st_ino
        wait(lambda: any(one[2] == inode for one in locked_inodes(Path("/proc/locks").read_text())))
        running.write("etc/sudoers.d/tool", "tool ALL=(ALL) ALL\n")
        assert running.changes(20) == []
    finally:
        holder.communicate()
    assert running.one(10).subject == "/etc/sudoers.d/tool"


def wait(true: Callable[[], bool]) -> None:
    """Wait until it is true; the test's own time limit ends what never comes."""
    while not true():
        time.sleep(0.01)


def test_a_file_that_cannot_be_read_is_not_gone(running: Machine) -> None:
    running.write("etc/cron.d/job", "* * * * * root /bin/x\n")
    running.one()
    (running.root / "etc/cron.d/job").unlink()
    (running.root / "etc/cron.d/job").symlink_to("job")  # a loop: there, and not to be opened
    assert running.changes() == []
    assert [(loss.sensor, loss.count) for loss in running.losses()] == [("host_state", 1)]
    assert running.changes(400) == []
    assert running.losses() == []


def test_a_fifo_holds_nobody_up(running: Machine) -> None:
    os.mkfifo(running.root / "etc/cron.d/pipe")
    assert running.changes() == []


def test_who_wrote_it_and_which_package_brought_it_come_from_the_file_event(running: Machine) -> None:
    actor, package = Actor(pid=7, exe="/usr/bin/tee", auid=1000), Explanation(package="x", matches=True)
    path = "/etc/sudoers.d/x"
    running.authors.cover("sudoers", [("/etc/sudoers.d", "*")])
    running.write("etc/sudoers.d/x", "alice ALL=(ALL) ALL\n")
    event = running.authors.learn(Change(path=path, actor=actor, explained_by=package), running.mono)
    assert isinstance(event, Change)
    assert event.told_by == "state.changed"
    told = running.one()
    assert (told.actor, told.explained_by) == (actor, package)
    (running.root / path[1:]).unlink()
    assert running.one().actor is None  # another act, and nobody said whose


def test_who_wrote_it_is_waited_for_while_that_is_looked_into(running: Machine) -> None:
    path, actor = "/etc/sudoers.d/x", Actor(pid=7, exe="/usr/bin/tee", auid=1000)
    running.authors.cover("sudoers", [("/etc/sudoers.d", "*")])
    running.write(path[1:], "alice ALL=(ALL) ALL\n")
    running.authors.expect(path, running.mono + S)
    assert running.changes(2.5) == []
    running.authors.learn(Change(path=path, actor=actor), running.mono)
    running.authors.settle(path)
    assert running.one(0.3).actor == actor
    running.write(path[1:], "bob ALL=(ALL) ALL\n")
    for _ in range(10):  # a file that never comes to rest is read all the same
        running.authors.settle(path)
        running.authors.expect(path, running.mono)
        if running.changes(1):
            break
    else:
        pytest.fail("nothing was told")


def test_secrets_in_lines_are_redacted_before_the_spool(running: Machine) -> None:
    running.write("etc/cron.d/job", "* * * * * root mysql --password=canary-secret db\n")
    redactor = Redactor(b"k" * 32, Redaction())

    class Nobody:
        def ancestry(self, pid: int, start: int | None) -> tuple[()]:
            del pid, start
            return ()

    around = Surroundings(Nobody(), redactor, frozenset(), lambda _: None)
    told = enrich(running.one(), all_enrichments(), around)
    assert isinstance(told, Changed)
    assert "canary-secret" not in str(told)
    assert "[redacted:" in told.added[0]


def test_a_damaged_snapshot_is_learned_again(running: Machine) -> None:
    running.stop()
    (running.state / "host_state/cron.json").write_text("{")
    running.write("etc/cron.d/job", "* * * * * root /bin/x\n")
    running.start()
    assert running.changes() == []
    running.write("etc/cron.d/job", "* * * * * root /bin/y\n")
    assert len(running.changes()) == 1


def test_at_rest_it_sleeps_for_ten_seconds_or_longer(running: Machine) -> None:
    running.go(30)
    assert running.feed is not None
    pauses = []
    for _ in range(20):
        list(running.feed.read(running.now()))
        assert running.feed.period is not None
        pauses.append(running.feed.period)
        running.mono += int(running.feed.period * S) + 1
    assert sum(pauses) / len(pauses) >= 5
