"""A real dpkg installs, upgrades and removes in a watched tree: one event a package, and the rest."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.errors import RungUnavailable
from agent.file_authors import Authors
from agent.sensor import Context, Feed, Gathering, Moment, Observed
from agent.sensors.file import SENSOR
from agent.settings import File, Settings
from agent.trees import pending_paths
from evidence.kind import Actor, Body
from evidence.kinds import file

FILES, IN_FOLDER = 300, 50

SHARE = "usr/share/tiny"
RUNG = next(rung for rung in SENSOR.rungs if rung.name == "fanotify-folders")
"""What others do on the file system cannot disturb it."""

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="dpkg installs as root alone"),
    pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="this host has no dpkg"),
]


def clock() -> Moment:
    return Moment(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))


class Programs:
    """Knows what was started, as the table of executed programs does, also of what is gone."""

    def __init__(self) -> None:
        self.started: dict[int, str] = {}

    def actor(self, pid: int, mono: int | None = None) -> Actor | None:
        exe = self.started.get(pid, "/bin/sh")
        return Actor(pid=pid, start=mono, exe=exe, auid=1000, session=7)

    def formers(self, pid: int, since: int, until: int) -> tuple[Actor, ...]:  # noqa: ARG002 - of the protocol
        return ()

    def became(self, pid: int, start: int | None, since: int, until: int) -> str | None:  # noqa: ARG002 - as above
        return None


class Host:
    """A dpkg database, packages, and the file sensor over the tree that they are installed to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tree, self.dpkg = folder, folder / "tree", folder / "dpkg"
        self.programs, self.authors = Programs(), Authors()
        for made in (self.tree, folder / "state", self.dpkg / "info", self.dpkg / "updates"):
            made.mkdir(parents=True)
        (self.dpkg / "status").touch()
        (self.tree / SHARE).mkdir(parents=True)
        (self.tree / SHARE / "kept").touch()
        self.seen: list[Observed] = []
        self.feed = self.open()

    def open(self) -> Feed:
        settings = File(
            trees=(str(self.tree),),
            sensitive=(),
            dpkg=str(self.dpkg),
            scan_files_per_s=1_000_000,
            scan_pressure=100.0,
        )
        context = Context(
            Settings(file=settings), self.folder / "state", self.programs, clock, authors=self.authors
        )
        try:
            feed = RUNG.open(context)
        except RungUnavailable as refused:
            pytest.skip(f"{refused.reason} ({refused.fix})")
        self.feed = feed
        return feed

    def build(self, version: str, files: dict[str, str], postinst: str = "") -> Path:
        """Make a package of files below the tree, and return it."""
        root = self.folder / f"build-{version}"
        for name, content in files.items():
            path = root / str(self.tree / name).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        control = root / "DEBIAN"
        control.mkdir()
        fields = f"Package: tiny\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@example.org>\n"
        (control / "control").write_text(f"{fields}Description: x\n")
        if postinst:
            (control / "postinst").write_text(f"#!/bin/sh\nset -e\n{postinst}\n")
            (control / "postinst").chmod(0o755)
        sums = subprocess.run(
            ["sh", "-c", "find . -type f ! -path './DEBIAN/*' -printf '%P\\0' | xargs -0 md5sum"],
            cwd=root,
            check=True,
            capture_output=True,
        ).stdout
        (control / "md5sums").write_bytes(sums)
        subprocess.run(["chmod", "-R", "u=rwX,go=rX", root], check=True)
        built = self.folder / f"tiny-{version}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", root, built], check=True, capture_output=True)
        return built

    def run(self, *arguments: str | Path, read: bool = False) -> None:
        """Run dpkg to its end, the sensor reading meanwhile or not."""
        with self.begin(*arguments) as running:
            while read and running.poll() is None:
                self.read()
        assert running.returncode == 0

    def begin(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """Start dpkg."""
        options = ["--admindir", str(self.dpkg), "--log", "/dev/null", "--force-unsafe-io", "--no-triggers"]
        dpkg = shutil.which("dpkg") or "dpkg"
        running = subprocess.Popen([dpkg, *options, *arguments], stdout=subprocess.DEVNULL)
        self.programs.started[running.pid] = dpkg
        return running

    def read(self) -> None:
        """Let the sensor work once."""
        self.seen += self.feed.read(clock())
        time.sleep(0.005)

    def told(self, enough: Callable[[list[Body]], bool]) -> list[Body]:
        """Read until enough was told and nothing is left to do (for at most 60 s); return all since last."""
        deadline, quiet = time.monotonic() + 60, 0
        while time.monotonic() < deadline and (quiet < 3 or not enough([one.body for one in self.seen])):
            self.seen += self.feed.read(clock())
            idle = self.feed.period is not None and self.feed.period >= 1
            quiet = quiet + 1 if idle else 0
            time.sleep(0.05 if idle else 0.002)
        found, self.seen = [one.body for one in self.seen], []
        return found


def has_summary(bodies: list[Body]) -> bool:
    return any(isinstance(body, file.Package) for body in bodies)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """Return a host whose files settle sooner than usual, still later than the lock is looked at again."""
    monkeypatch.setattr(pending_paths, "SETTLE_INSTALLED", 300_000_000)
    monkeypatch.setattr(pending_paths, "_LOOK", 100_000_000)
    made = Host(tmp_path)
    made.told(lambda _: True)
    made.feed.close()  # what was learned is durable: a first baseline that is lost is learned again, silently
    made.open()
    made.told(lambda _: True)
    yield made
    made.feed.close()


def names(count: int = FILES) -> list[str]:
    """Return names of files, the last of them all in a folder that is not there yet."""
    plain = FILES - IN_FOLDER
    return [f"{SHARE}/{'' if number < plain else 'new/'}{number:03d}" for number in range(count)]


def summary(bodies: list[Body]) -> file.Package:
    (found,) = [body for body in bodies if isinstance(body, file.Package)]
    return found


def singles(bodies: list[Body]) -> dict[str, Body]:
    return {str(getattr(body, "path", "")): body for body in bodies if not isinstance(body, file.Package)}


@pytest.mark.parametrize("read", [False, True], ids=["afterwards", "meanwhile"])
def test_install_upgrade_and_removal_are_one_event_each(host: Host, *, read: bool) -> None:
    old = host.build("1.0", dict.fromkeys(names(), "one\n"))
    kept = names()[:200]
    new = host.build("2.0", {**dict.fromkeys(kept, "two\n"), f"{SHARE}/more": "more\n"})

    host.run("-i", old, read=read)
    bodies = host.told(has_summary)
    installed = summary(bodies)
    assert singles(bodies) == {}
    assert (installed.package, installed.former_version, installed.version) == ("tiny", None, "1.0")
    assert (installed.created, installed.changed, installed.deleted) == (FILES + 1, 0, 0), "with a folder"
    assert installed.bytes == 4 * FILES
    assert installed.actor is not None
    assert (installed.actor.exe, installed.actor.auid, installed.actor.session) == (
        *(shutil.which("dpkg"), 1000, 7),
    )
    assert installed.first is not None
    assert installed.last is not None
    assert installed.first <= installed.last

    host.run("-i", new, read=read)
    bodies = host.told(has_summary)
    upgraded = summary(bodies)
    assert singles(bodies) == {}
    assert (upgraded.former_version, upgraded.version) == ("1.0", "2.0")
    assert (upgraded.created, upgraded.changed, upgraded.deleted) == (1, 200, 100 + 1)

    host.run("-P", "tiny", read=read)
    bodies = host.told(has_summary)
    removed = summary(bodies)
    assert singles(bodies) == {}
    assert (removed.former_version, removed.version) == ("2.0", None)
    assert (removed.created, removed.changed, removed.deleted) == (0, 0, 201)


def test_what_a_maintainer_script_alters_or_adds_is_told_by_itself(host: Host) -> None:
    share = host.tree / SHARE
    script = f"echo evil >> {share}/007; echo evil > {share}/own; rm {share}/008; chmod u+s {share}/009"
    package = host.build("1.0", dict.fromkeys(names(), "one\n"), script)
    host.run("-i", package)
    bodies = host.told(lambda seen: has_summary(seen) and len(singles(seen)) >= 4)
    alone = singles(bodies)
    assert set(alone) == {str(share / name) for name in ("007", "008", "009", "own")}
    assert summary(bodies).created == FILES - 3 + 1
    altered, removed = alone[str(share / "007")], alone[str(share / "008")]
    assert isinstance(altered, file.Create)
    assert altered.explained_by is not None
    assert not altered.explained_by.matches
    assert isinstance(removed, file.Delete)


def test_while_the_transaction_runs_its_files_wait(host: Host) -> None:
    go = host.folder / "go"
    package = host.build("1.0", dict.fromkeys(names(), "one\n"), f"until [ -e {go} ]; do sleep 0.1; done")
    with host.begin("-i", package) as running:
        until = time.monotonic() + 1  # longer than a file of a package manager takes to settle here
        while time.monotonic() < until:
            host.read()
        assert host.seen == []
        go.touch()
        while running.poll() is None:
            host.read()
    bodies = host.told(has_summary)
    assert (summary(bodies).created, singles(bodies)) == (FILES + 1, {})


def test_a_file_that_another_sensor_tells_of_is_told_by_itself(host: Host) -> None:
    host.authors.cover("cron", [(str(host.tree / "etc/cron.d"), "*")])
    job = str(host.tree / "etc/cron.d/job")
    host.run("-i", host.build("1.0", {"etc/cron.d/job": "* * * * * root x\n", **dict.fromkeys(names(), "")}))
    bodies = host.told(lambda seen: has_summary(seen) and job in singles(seen))
    assert set(singles(bodies)) == {job}
    assert getattr(singles(bodies)[job], "told_by", None) == "state.changed"


def test_who_only_looks_like_a_package_manager_hides_nothing(host: Host) -> None:
    host.run("-i", host.build("1.0", dict.fromkeys(names(3), "one\n")))
    host.told(has_summary)
    target = host.tree / names()[0]
    with subprocess.Popen(["sh", "-c", f"echo evil > {target}"]) as fake:
        host.programs.started[fake.pid] = "/opt/dpkg"
    bodies = host.told(lambda seen: str(target) in singles(seen))
    (change,) = bodies
    assert isinstance(change, file.Change)
    assert change.explained_by is not None
    assert change.explained_by.matches is None


@pytest.mark.parametrize("stop", [True, False], ids=["stop", "kill"])
@pytest.mark.parametrize("seconds", [0.1, 0.4])
def test_an_end_at_any_time_loses_no_change(host: Host, seconds: float, *, stop: bool) -> None:
    host.run("-i", host.build("1.0", dict.fromkeys(names(20), "one\n")))
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        host.read()
    if stop:
        assert isinstance(host.feed, Gathering)
        host.seen += host.feed.rest(clock())
    host.feed.close()
    host.open()
    bodies = host.told(lambda seen: has_summary(seen) or len(singles(seen)) >= 20)
    told = [body.created for body in bodies if isinstance(body, file.Package)]
    assert sum(told) + len(singles(bodies)) == 20
