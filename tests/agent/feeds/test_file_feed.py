"""The file sensor on a real tree: every rung sees what changed, fanotify also who changed it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from agent.errors import RungUnavailable
from agent.sensor import Context, Feed, Moment
from agent.sensors.file import SENSOR
from agent.settings import File, Settings
from agent.trees import pending_paths
from evidence.kind import Actor, Body
from evidence.kinds.agent import Loss
from evidence.kinds.file import Attributes, Change, Create, Delete, FileState, Rename

pytestmark = pytest.mark.root
QUIET_PLACE = Path("/dev/shm")  # noqa: S108 - a mode of 0700 and a name of its own are the folder's below
RUNGS = ["fanotify", "fanotify-folders", "watchdog"]


class ExecTable:
    """Knows every pid, as the table of executed programs does for one that is gone."""

    def actor(self, pid: int, mono: int | None = None) -> Actor | None:
        return Actor(pid=pid, start=mono, exe=f"/bin/of-{pid}", auid=1000)

    def formers(self, pid: int, since: int, until: int) -> tuple[Actor, ...]:  # noqa: ARG002 - of the protocol
        return ()

    def became(self, pid: int, start: int | None, since: int, until: int) -> str | None:  # noqa: ARG002 - as above
        return None


def clock() -> Moment:
    return Moment(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))


@pytest.fixture(params=RUNGS)
def rung(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on a filesystem of which little else is used: fanotify marks the whole of it.

    Where much happens on it the feed looks at folders instead and scans again, which tells no writer.
    """
    if not os.access(QUIET_PLACE, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="vedette-test-", dir=QUIET_PLACE) as name:
        yield Path(name)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree/etc/sub").mkdir(parents=True)
    (tmp_path / "state").mkdir()
    return tmp_path / "tree"


class Start:
    """Opens feeds on the tree, and closes what the test leaves open."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self.open: list[Feed] = []

    def __call__(self, rung: str, **settings: object) -> Feed:
        plain = {
            "trees": (str(self._tree),),
            "sensitive": (),
            "scan_files_per_s": 1_000_000,
            "scan_pressure": 100.0,
            "dpkg": str(self._tree.parent / "no-dpkg"),
        }
        file = msgspec.convert(plain | settings, File)
        context = Context(Settings(file=file), self._tree.parent / "state", ExecTable(), clock)
        try:
            feed = next(member for member in SENSOR.rungs if member.name == rung).open(context)
        except RungUnavailable as reason:
            pytest.skip(f"{rung}: {reason}")
        self.open.append(feed)
        return feed

    def stop(self, feed: Feed) -> None:
        self.open.remove(feed)
        feed.close()


@pytest.fixture
def start(tree: Path) -> Iterator[Start]:
    starter = Start(tree)
    yield starter
    for feed in starter.open:
        feed.close()


def settle(feed: Feed, enough: Callable[[list[Body]], bool] = lambda _: True) -> list[Body]:
    """Read until enough was seen and nothing is left to do (for at most 100 s)."""
    bodies: list[Body] = []
    deadline = time.monotonic() + 100
    quiet = 0
    while time.monotonic() < deadline and (quiet < 3 or not enough(bodies)):
        bodies += [seen.body for seen in feed.read(clock())]
        idle = feed.period is not None and feed.period >= 1
        quiet = quiet + 1 if idle else 0
        time.sleep(0.05 if idle else 0.002)
    return bodies


def paths(bodies: list[Body], kind: type[Body]) -> list[str]:
    return [str(getattr(body, "path", None)) for body in bodies if isinstance(body, kind)]


def told(bodies: list[Body]) -> set[str]:
    """Return the paths that are there by what was told."""
    there: set[str] = set()
    for body in bodies:
        if isinstance(body, Create):
            there.add(body.path)
        elif isinstance(body, Delete):
            there.discard(body.path)
    return there


def one(bodies: list[Body]) -> Body:
    assert len(bodies) == 1, bodies
    return bodies[0]


def shell(script: str, folder: Path) -> int:
    process = subprocess.Popen(["sh", "-c", script], cwd=folder)
    assert process.wait() == 0
    return process.pid


def test_the_first_baseline_is_silent_and_the_trigger_is_seen(tree: Path, start: Start, rung: str) -> None:
    (tree / "etc/old").write_text("x")
    feed = start(rung)
    assert settle(feed) == []
    test = feed.trigger()
    assert any(map(test, settle(feed, lambda bodies: any(map(test, bodies)))))


def test_what_happens_while_the_first_scan_goes_on_is_told(tree: Path, start: Start) -> None:
    for number in range(300):
        (tree / f"etc/{number:03d}").write_text("x")
    feed = start("fanotify", scan_files_per_s=10)
    names = ("gone", "grown", "new")
    until = time.monotonic() + 1
    while time.monotonic() < until:
        feed.read(clock())
        time.sleep(0.02)
    (tree / "etc/298").unlink()
    (tree / "etc/299").write_text("longer")
    (tree / "etc/new").write_text("y")
    bodies: list[Body] = []
    until = time.monotonic() + 20
    while time.monotonic() < until and len(bodies) < len(names):
        bodies += [seen.body for seen in feed.read(clock())]
        time.sleep(0.02)
    found = {(type(body), str(getattr(body, "path", None)).rpartition("/")[2]) for body in bodies}
    assert found == {(Delete, "298"), (Change, "299"), (Create, "new")}
    assert all(getattr(body, "before", None) is None for body in bodies), "what it was is not known yet"


def test_what_appears_is_told_once_though_the_first_scan_came_across_it_before(
    tree: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_paths, "SETTLE", 1_000_000_000)
    feed = start("fanotify")
    (tree / "etc/new").write_text("x")
    (tree / "etc/folder").mkdir()
    (tree / "etc/folder/inside").write_text("y")
    bodies = settle(feed, lambda bodies: len(bodies) > 2)
    names = ("folder", "folder/inside", "new")
    assert sorted(paths(bodies, Create)) == [str(tree / f"etc/{name}") for name in names]
    assert settle(feed) == []


def test_create_change_attributes_rename_delete(tree: Path, start: Start, rung: str) -> None:
    feed = start(rung)
    settle(feed)
    target = tree / "etc/hosts"
    pid = shell("echo one > etc/hosts", tree)
    created = one(settle(feed, bool))
    assert isinstance(created, Create)
    assert created.path == str(target)
    assert created.found == "live"
    assert created.after is not None
    assert created.after.size == 4
    if rung == "watchdog" or os.geteuid() != 0:
        assert created.actor is None, "the kernel tells an ordinary user no writer"
    else:
        assert created.actor is not None
        assert (created.actor.pid, created.actor.exe, created.actor.auid) == (pid, f"/bin/of-{pid}", 1000)

    shell("echo two >> etc/hosts", tree)
    changed = one(settle(feed, bool))
    assert isinstance(changed, Change)
    assert isinstance(changed.before, FileState)
    assert isinstance(changed.after, FileState)
    assert changed.before.sha256 == created.after.sha256 != changed.after.sha256

    shell("chmod 600 etc/hosts", tree)
    moded = one(settle(feed, bool))
    assert isinstance(moded, Attributes)
    assert moded.before is not None
    assert moded.after is not None
    assert (moded.before.mode, moded.after.mode) == (0o644, 0o600)

    shell("mv etc/hosts etc/sub/moved", tree)
    renamed = one(settle(feed, bool))
    assert isinstance(renamed, Rename)
    assert (renamed.former, renamed.path) == (str(target), str(tree / "etc/sub/moved"))

    shell("rm etc/sub/moved", tree)
    deleted = one(settle(feed, bool))
    assert isinstance(deleted, Delete)
    assert deleted.before is not None
    assert deleted.before.sha256 == changed.after.sha256


def test_capabilities_and_xattrs(tree: Path, start: Start) -> None:
    (tree / "etc/tool").write_text("#!")
    feed = start("fanotify")
    settle(feed)
    shell("setcap cap_net_raw,cap_setuid=ep etc/tool", tree)
    granted = one(settle(feed, bool))
    assert isinstance(granted, Attributes)
    assert granted.after is not None
    assert granted.after.capabilities == "cap_setuid,cap_net_raw+ep"
    os.setxattr(tree / "etc/tool", "user.note", b"hello")
    noted = one(settle(feed, bool))
    assert isinstance(noted, Attributes)
    assert noted.after is not None
    assert noted.after.xattrs == {"user.note": "hello"}


def test_what_is_equal_is_no_event(tree: Path, start: Start, rung: str) -> None:
    (tree / "etc/same").write_text("x")
    feed = start(rung)
    settle(feed)
    shell("touch etc/same; cp etc/same etc/.tmp; mv etc/.tmp etc/same; chmod 644 etc/same", tree)
    (tree / "etc/last").touch()
    last = one(settle(feed, bool))
    assert paths([last], Create) == [str(tree / "etc/last")]


def test_a_folder_moved_in_and_out_is_told_with_its_content(tree: Path, start: Start, rung: str) -> None:
    (tree.parent / "outside/deep").mkdir(parents=True)
    (tree.parent / "outside/deep/file").write_text("x")
    feed = start(rung)
    settle(feed)
    shell("mv ../outside etc/inside", tree)
    come = settle(feed, lambda bodies: len(bodies) >= 3)
    names = {str(tree / f"etc/inside{rest}") for rest in ("", "/deep", "/deep/file")}
    assert set(paths(come, Create)) == names
    shell("echo more >> etc/inside/deep/file", tree)
    assert paths(settle(feed, bool), Change) == [str(tree / "etc/inside/deep/file")]
    shell("mv etc/inside ../outside", tree)
    gone = settle(feed, lambda bodies: len(bodies) >= 3)
    assert set(paths(gone, Delete)) == names


def test_restart_finds_what_changed_meanwhile(tree: Path, start: Start, rung: str) -> None:
    for name in ("kept", "changed", "removed", "moved", "moded"):
        (tree / f"etc/{name}").write_text(name)
    feed = start(rung)
    settle(feed)
    start.stop(feed)
    (tree / "etc/changed").write_text("tampered")
    (tree / "etc/removed").unlink()
    (tree / "etc/moved").rename(tree / "etc/other")
    (tree / "etc/moded").chmod(0o4755)
    (tree / "etc/new").write_text("new")
    bodies = settle(start(rung), lambda bodies: len(bodies) >= 5)
    etc = str(tree / "etc")
    assert paths(bodies, Change) == [f"{etc}/changed"]
    assert paths(bodies, Delete) == [f"{etc}/removed"]
    assert paths(bodies, Rename) == [f"{etc}/other"]
    assert paths(bodies, Attributes) == [f"{etc}/moded"]
    assert paths(bodies, Create) == [f"{etc}/new"]
    assert {getattr(body, "found", None) for body in bodies} == {"scan"}


def test_lines_are_told_for_authorized_keys_and_users_for_shadow(tree: Path, start: Start) -> None:
    keys, shadow = tree / "authorized_keys", tree / "etc/shadow"
    keys.write_text("ssh-ed25519 AAA alice\n")
    shadow.write_text("root:$y$canary0:1:\nalice:$y$canary1:1:\n")
    feed = start("fanotify")
    settle(feed)
    shell("echo ssh-ed25519 BBB eve >> authorized_keys; sed -i s/canary1/canary2/ etc/shadow", tree)
    changes = {
        body.path: body
        for body in settle(feed, lambda bodies: len(paths(bodies, Change)) >= 2)
        if isinstance(body, Change)
    }
    assert changes[str(keys)].added == ("ssh-ed25519 BBB eve",)
    assert changes[str(keys)].removed == ()
    assert (changes[str(shadow)].added, changes[str(shadow)].removed) == (("alice",), ("alice",))
    start.stop(feed)
    assert b"canary" not in b"".join(path.read_bytes() for path in (tree.parent / "state").glob("baseline*"))


def test_a_name_that_is_not_utf8(tree: Path, start: Start) -> None:
    feed = start("fanotify")
    settle(feed)
    Path(os.fsdecode(bytes(tree) + b"/etc/\xff\\x")).touch()
    created = one(settle(feed, bool))
    assert isinstance(created, Create)
    assert (created.path, created.escaped) == (f"{tree}/etc/\\xff\\\\x", ("path",))


def test_a_file_above_the_limit_is_not_hashed(tree: Path, start: Start) -> None:
    feed = start("fanotify", hash_limit_bytes=1000)
    settle(feed)
    (tree / "etc/large").write_bytes(bytes(1001))
    created = one(settle(feed, bool))
    assert isinstance(created, Create)
    assert created.after is not None
    assert (created.after.size, created.after.sha256) == (1001, None)


def test_excluded_paths_are_not_seen(tree: Path, start: Start, rung: str) -> None:
    feed = start(rung, exclude=(str(tree / "etc/sub"),))
    settle(feed)
    (tree / "etc/sub/x").touch()
    (tree / "etc/seen").touch()
    assert paths(settle(feed, bool), Create) == [str(tree / "etc/seen")]


@pytest.mark.parametrize("rung", ["fanotify", "watchdog"])
def test_churn_ends_in_the_right_state(tree: Path, start: Start, rung: str) -> None:
    feed = start(rung)
    settle(feed)
    write = (
        "i=0; while [ $i -lt 8000 ]; do echo $i > etc/f$i; echo $i >> etc/list$((i % 7)); i=$((i + 1)); done"
    )
    shell(f"{write}; find etc -name 'f*[13579]' -delete", tree)
    settle(feed, lambda bodies: told(bodies) == set(map(str, (tree / "etc").iterdir())) - {f"{tree}/etc/sub"})
    start.stop(feed)
    db = sqlite3.connect(tree.parent / "state/baseline.db")
    known = {name for (name,) in db.execute("SELECT name FROM files WHERE folder=?", (bytes(tree / "etc"),))}
    assert known == {os.fsencode(path.name) for path in (tree / "etc").iterdir()}
    assert len(known) >= 4_000


def test_a_damaged_baseline_is_a_loss_and_is_learned_again(tree: Path, start: Start) -> None:
    (tree.parent / "state/baseline.db").write_bytes(b"no database" * 1000)
    feed = start("fanotify")
    assert settle(feed) == []
    assert [loss.cause for loss in feed.losses(clock())] == ["baseline damaged, learned again"]
    (tree / "etc/x").touch()
    assert paths(settle(feed, bool), Create) == [str(tree / "etc/x")]


def test_a_fault_of_the_disk_is_a_loss_and_the_feed_arms_again(
    tree: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.trees.file_work._RETRY", 1)
    state = tree.parent / "state"
    (state / "baseline.db").mkdir()  # no database can be opened there
    feed = start("fanotify")
    found: list[Loss] = []
    for _ in range(3):
        assert list(feed.read(clock())) == []
        found += feed.losses(clock())
    assert found
    assert all(loss.cause.startswith("baseline: ") for loss in found)
    (state / "baseline.db").rmdir()
    assert settle(feed) == []
    (tree / "etc/x").touch()
    assert paths(settle(feed, bool), Create) == [str(tree / "etc/x")]


def test_what_comes_from_outside_and_goes_there_is_told_with_its_other_name(tree: Path, start: Start) -> None:
    feed = start("fanotify")
    settle(feed)
    (tree.parent / "payload").write_text("x")
    shell("mv ../payload etc/job", tree)
    come = one(settle(feed, bool))
    assert isinstance(come, Create)
    assert (come.moved_from, come.late) == (str(tree.parent / "payload"), True)
    shell("mv etc/job ../taken", tree)
    gone = one(settle(feed, bool))
    assert isinstance(gone, Delete)
    assert gone.moved_to == str(tree.parent / "taken")


def test_a_rename_and_a_change_at_once_are_one_rename(tree: Path, start: Start) -> None:
    (tree / "etc/a").write_text("x")
    feed = start("fanotify")
    settle(feed)
    shell("mv etc/a etc/b; echo more >> etc/b", tree)
    renamed = one(settle(feed, bool))
    assert isinstance(renamed, Rename)
    assert renamed.former == str(tree / "etc/a")


def test_another_name_for_a_file_and_a_link_are_creates(tree: Path, start: Start, rung: str) -> None:
    (tree / "etc/a").write_text("x")
    feed = start(rung)
    settle(feed)
    shell("ln etc/a etc/hard; ln -s /etc/shadow etc/soft", tree)
    shell("chown 12:34 etc/a" if os.geteuid() == 0 else "chmod 600 etc/a", tree)
    bodies = settle(feed, lambda seen: len(paths(seen, Create)) >= 2 and len(paths(seen, Attributes)) >= 1)
    assert set(paths(bodies, Create)) == {str(tree / "etc/hard"), str(tree / "etc/soft")}
    states = {body.path: body.after for body in bodies if isinstance(body, Create)}
    soft = states[str(tree / "etc/soft")]
    assert soft is not None
    assert (soft.type, soft.target, soft.sha256) == ("link", "/etc/shadow", None)
    owned = next(body.after for body in bodies if isinstance(body, Attributes))
    assert owned is not None
    if os.geteuid() == 0:
        assert (owned.uid, owned.gid) == (12, 34)
    else:
        assert owned.mode == 0o600


def test_a_folder_swapped_for_a_link_leads_nowhere(tree: Path, start: Start, rung: str) -> None:
    (tree.parent / "secret").mkdir()
    (tree.parent / "secret/key").write_text("secret")
    (tree / "etc/sub/key").write_text("plain")
    feed = start(rung)
    settle(feed)
    shell("rm -r etc/sub; ln -s ../../secret etc/sub; touch etc/sub/key", tree)
    bodies = settle(feed, lambda seen: len(paths(seen, Delete)) >= 2)
    settle(feed)
    assert str(tree / "etc/sub/key") in paths(bodies, Delete)
    assert str(tree / "etc/sub/key") not in [*paths(bodies, Create), *paths(bodies, Change)]


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace needs root")
def test_a_change_from_another_mount_namespace_has_the_path_it_has_there(tree: Path, start: Start) -> None:
    feed = start("fanotify")
    settle(feed)
    (tree.parent / "inside").mkdir()
    script = f"mount --bind {tree}/etc {tree.parent}/inside; echo x > {tree.parent}/inside/volume; read go"
    with subprocess.Popen(["unshare", "-m", "sh", "-c", script], stdin=subprocess.PIPE) as container:
        (created,) = [body for body in settle(feed, bool) if isinstance(body, Create)]
        container.communicate(b"\n")
    assert created.path == str(tree / "etc/volume")
    assert created.container_path in (str(tree.parent / "inside/volume"), str(tree / "etc/volume"))
