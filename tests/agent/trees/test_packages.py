"""Which package accounts for a file: dpkg's database, rpm's answers, locks."""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import stat
from collections import deque
from pathlib import Path

import pytest

from agent.decode.package_db import locked_inodes, parse_status
from agent.tree_change import Trees
from agent.trees.packages import Packages
from agent.trees.rpm_files import listed
from evidence.kind import Actor
from evidence.kinds.file import Explanation

LS, CONF = b"/usr/bin/ls", b"/etc/sudoers"


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def install(
    dpkg: Path, name: str, version: str, files: dict[bytes, bytes], conffiles: tuple[bytes, ...] = ()
) -> None:
    info = dpkg / "info"
    info.mkdir(parents=True, exist_ok=True)
    paths = [b"/.", b"/usr", *files]
    (info / f"{name}.list").write_bytes(b"\n".join(paths) + b"\n")
    sums = (f"{md5(body)}  ".encode() + path[1:] for path, body in files.items() if path not in conffiles)
    (info / f"{name}.md5sums").write_bytes(b"\n".join(sums) + b"\n")
    stanza = f"Package: {name.partition(':')[0]}\nStatus: install ok installed\n"
    stanza += f"Architecture: amd64\nVersion: {version}\n"
    if conffiles:
        stanza += "Conffiles:\n" + "".join(f" {p.decode()} {md5(files[p])}\n" for p in conffiles)
    stanza += "Description: x\n more\n\n"
    with (dpkg / "status").open("a") as status:
        status.write(stanza)


@pytest.fixture
def dpkg(tmp_path: Path) -> Path:
    folder = tmp_path / "dpkg"
    install(folder, "coreutils:amd64", "9.1-1", {LS: b"ls", b"/opt/outside": b"x"})
    install(folder, "sudo", "1.9", {CONF: b"root ALL"}, (CONF,))
    for name in ("lock", "lock-frontend"):
        (folder / name).touch()
    return folder


def packages(dpkg: Path, **options: object) -> Packages:
    opened = Packages(sqlite3.connect(":memory:"), Trees((b"/usr/bin", b"/etc"), ()), dpkg=dpkg, **options)  # type: ignore[arg-type]
    deque(opened.refresh(), maxlen=0)
    return opened


def test_a_file_as_it_was_shipped_and_one_that_was_not(dpkg: Path) -> None:
    index = packages(dpkg)
    shipped = Explanation(package="coreutils", version="9.1-1", matches=True)
    assert index.explain(LS, md5(b"ls"), None, None) == shipped
    assert index.explain(CONF, md5(b"root ALL"), None, None) == Explanation(
        package="sudo", version="1.9", matches=True
    )
    tampered = index.explain(LS, md5(b"evil"), None, None)
    assert tampered is not None
    assert (tampered.matches, tampered.transaction) == (False, False)
    assert index.explain(b"/etc/own", md5(b""), None, None) is None
    gone = index.explain(LS, None, None, None)
    assert gone is not None
    assert gone.matches is None


def test_an_upgrade_is_read_when_a_file_asks(dpkg: Path) -> None:
    index = packages(dpkg)
    install(dpkg, "coreutils:amd64", "9.2-1", {LS: b"new ls"})
    os.utime(dpkg / "info/coreutils:amd64.list", (1, 1))
    assert index.explain(LS, md5(b"new ls"), None, None) == Explanation(
        package="coreutils", version="9.2-1", matches=True
    )


def test_a_new_package_is_read_when_a_file_asks(dpkg: Path) -> None:
    index = packages(dpkg)
    install(dpkg, "tool", "1", {b"/usr/bin/tool": b"t"})
    os.utime(dpkg / "info", (1, 1))
    found = index.explain(b"/usr/bin/tool", md5(b"t"), None, None)
    assert found == Explanation(package="tool", version="1", matches=True)


def test_a_transaction_is_told_by_its_actor_or_its_lock(dpkg: Path) -> None:
    index = packages(dpkg)
    by_actor = index.explain(LS, md5(b"newer"), None, Actor(pid=1, exe="/usr/bin/dpkg"))
    assert by_actor == Explanation(package="coreutils", version="9.1-1", matches=None, transaction=True)
    with (dpkg / "lock-frontend").open("r+") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        locked = index.explain(LS, md5(b"ls"), None, None)
    assert locked == Explanation(package="coreutils", version="9.1-1", matches=True, transaction=True)


def test_rpm_is_asked_once_for_a_package(tmp_path: Path) -> None:
    rpm = tmp_path / "rpm"
    digest = hashlib.sha256(b"ls").hexdigest()
    rpm.write_text(
        f"#!/bin/sh\necho asked >> {tmp_path}/asked\n"
        f"printf 'coreutils\\t9.1-1.el9\\t{digest}\\t/usr/bin/ls\\n'\n"
        "printf 'coreutils\\t9.1-1.el9\\t\\t/usr/bin/cat\\n'\n"
    )
    rpm.chmod(rpm.stat().st_mode | stat.S_IXUSR)
    index = packages(tmp_path / "no-dpkg", rpm=str(rpm))
    assert index.explain(LS, None, digest, None) == Explanation(
        package="coreutils", version="9.1-1.el9", matches=True
    )
    other = index.explain(b"/usr/bin/cat", None, digest, None)
    assert other is not None
    assert other.matches is None
    assert (tmp_path / "asked").read_text().count("asked") == 1


def test_proc_locks_lists_write_locks() -> None:
    raw = "1: POSIX  ADVISORY  WRITE 3568 fd:00:2531452 0 EOF\n"
    raw += "2: FLOCK  ADVISORY  READ 1 00:1a:9 0 EOF\nrubbish\n"
    assert locked_inodes(raw) == {(0xFD, 0, 2531452)}


def test_the_real_status_file_is_read_whole() -> None:
    status = Path("/var/lib/dpkg/status")
    if not status.exists():
        pytest.skip("this is no Debian")
    with status.open("rb") as file:
        names = {package.name for package in parse_status(file)}
    assert {"dpkg", "libc6", "bash"} <= names


def test_what_is_gone_and_no_longer_listed_was_of_its_former_package(dpkg: Path) -> None:
    index = packages(dpkg)
    kept = index.explain(LS, None, None, None, gone=True)
    assert kept is not None
    assert kept.matches is None, "the package still lists it"
    (dpkg / "info/coreutils:amd64.list").unlink()
    os.utime(dpkg / "info", (1, 1))
    expected = Explanation(package="coreutils", version="9.1-1", matches=True)
    assert index.explain(LS, None, None, None, gone=True) == expected
    assert index.explain(LS, md5(b"ls"), None, None) is None, "nobody accounts for one that is there"
    assert index.versions("coreutils") == ("9.1-1", None)
    index.settle()
    assert index.explain(LS, None, None, None, gone=True) is None


def test_the_versions_before_and_after_are_those_of_the_transaction(dpkg: Path) -> None:
    index = packages(dpkg)
    assert index.versions("sudo") == ("1.9", "1.9")
    for version in ("1.10", "1.11"):  # the status file tells the last
        install(dpkg, "sudo", version, {CONF: b"root ALL"})
        os.utime(dpkg / "info/sudo.list", (1, len(version)))
    (dpkg / "updates").mkdir()
    (dpkg / "updates/0001").write_text("Package: tool\nStatus: install ok unpacked\nVersion: 7\n")
    install(dpkg, "tool", "6", {b"/usr/bin/tool": b"t"})
    os.utime(dpkg / "info", (1, 1))
    assert index.versions("sudo") == ("1.9", "1.11")
    assert index.versions("tool") == (None, "7"), "what dpkg has noted counts before what it will write"
    index.settle()
    assert index.versions("sudo") == ("1.11", "1.11")


def test_a_package_that_was_removed_but_not_purged_has_no_version(dpkg: Path) -> None:
    index = packages(dpkg)
    status = (dpkg / "status").read_text().replace("install ok installed", "deinstall ok config-files")
    (dpkg / "status").write_text(status)
    (dpkg / "info/sudo.list").write_bytes(CONF + b"\n")
    os.utime(dpkg / "info/sudo.list", (1, 1))
    os.utime(dpkg / "info", (1, 1))
    assert index.versions("sudo") == ("1.9", None)


def test_rpm_is_asked_anew_when_its_database_changed(tmp_path: Path) -> None:
    rpm, database, answer = tmp_path / "rpm", tmp_path / "db/rpmdb.sqlite", tmp_path / "answer"
    database.parent.mkdir()
    database.touch()
    rpm.write_text(f"#!/bin/sh\ncat {answer}\n")
    rpm.chmod(rpm.stat().st_mode | stat.S_IXUSR)
    old, new = (hashlib.sha256(body).hexdigest() for body in (b"old", b"new"))
    index = packages(tmp_path / "no-dpkg", rpm=str(rpm), rpmdb=database.parent)
    answer.write_text(f"coreutils\t9.1\t{old}\t{LS.decode()}\ncoreutils\t9.1\t{old}\t/usr/bin/cat\n")
    first = index.explain(LS, None, old, None)
    assert first is not None
    assert (first.version, first.matches) == ("9.1", True)
    answer.write_text(f"coreutils\t9.2\t{new}\t{LS.decode()}\n")
    os.utime(database, (1, 1))
    second = index.explain(LS, None, new, None)
    assert second is not None
    assert (second.version, second.matches) == ("9.2", True)
    assert index.versions("coreutils") == ("9.1", "9.2")
    gone = index.explain(b"/usr/bin/cat", None, None, None, gone=True)
    assert gone == Explanation(package="coreutils", version="9.1", matches=True)


def test_rpm_lists_all_it_has_once_and_is_asked_for_no_path_then(tmp_path: Path) -> None:
    rpm, database, answer = tmp_path / "rpm", tmp_path / "db/rpmdb.sqlite", tmp_path / "answer"
    database.parent.mkdir()
    database.touch()
    rpm.write_text(f"#!/bin/sh\necho $1 >> {tmp_path}/asked\ncat {answer}\n")
    rpm.chmod(rpm.stat().st_mode | stat.S_IXUSR)
    digest = hashlib.sha256(b"old").hexdigest()
    many = "".join(f"filler\t1\t{digest}\t/usr/bin/filler{number}\n" for number in range(5000))
    answer.write_text(f"{many}coreutils\t9.1\t{digest}\t{LS.decode()}")
    index = packages(tmp_path / "no-dpkg", rpm=str(rpm), rpmdb=database.parent)
    assert len(list(listed(str(rpm)))) > 2, "in portions"
    (tmp_path / "asked").write_text("-qa\n")  # what making the index took
    for number in range(20):
        assert index.explain(b"/usr/bin/own%d" % number, None, digest, None) is None
    found = index.explain(b"/usr/bin/filler4999", None, digest, None)
    assert found == Explanation(package="filler", version="1", matches=True)
    assert index.explain(LS, None, digest, None) is not None
    assert (tmp_path / "asked").read_text().split() == ["-qa"]
    os.utime(database, (1, 1))
    answer.write_text(f"coreutils\t9.2\t{digest}\t{LS.decode()}\n")
    assert index.explain(b"/usr/bin/other", None, digest, None) is None
    assert (tmp_path / "asked").read_text().split() == ["-qa", "-qf"], "until it has listed them again"
    now_unlisted = index.unlisted
    assert now_unlisted
    deque(index.refresh(), maxlen=0)
    assert index.explain(b"/usr/bin/another", None, digest, None) is None
    assert (tmp_path / "asked").read_text().split() == ["-qa", "-qf", "-qa"]


def test_where_rpm_cannot_list_it_is_asked_for_each_path(tmp_path: Path) -> None:
    rpm, digest = tmp_path / "rpm", hashlib.sha256(b"old").hexdigest()
    rpm.write_text(
        f"#!/bin/sh\n[ $1 = -qa ] && exit 1\nprintf 'coreutils\\t9.1\\t{digest}\\t{LS.decode()}\\n'\n"
    )
    rpm.chmod(rpm.stat().st_mode | stat.S_IXUSR)
    index = packages(tmp_path / "no-dpkg", rpm=str(rpm), rpmdb=tmp_path)
    deque(index.refresh(), maxlen=0)
    assert not index.unlisted, "once is enough for a state of its database"
    assert index.explain(LS, None, digest, None) is not None
