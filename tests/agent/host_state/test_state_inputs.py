"""What has no files: sockets of this namespace, and rpm, asked without waiting and only when it has to be."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from agent.host_state.rpm_query import PATIENCE, RpmQuery
from agent.host_state.state_files import StateFiles
from agent.host_state.state_inputs import StateInputs
from agent.state_source import Found, Place, all_sources

SOURCES = {source.name: source for source in all_sources()}
RPM = SOURCES["rpm"]
PLACES = (Place("/var/lib/rpm", "rpmdb.sqlite"),)


def fake_rpm(folder: Path, script: str) -> str:
    path = folder / "rpm"
    path.write_text(f"#!/bin/sh\necho asked >> {folder}/asked\n{script}\n")
    path.chmod(0o755)
    return str(path)


def asked(folder: Path) -> int:
    return len((folder / "asked").read_text().splitlines())


def answer(query: RpmQuery) -> bytes:
    """Ask until there is an answer; the test's own time limit ends what never comes."""
    while (found := query.ask(0)) is None:
        time.sleep(0.01)
    return found


def test_rpm_is_asked_once_for_a_state_of_its_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_rpm(tmp_path, r"printf 'bash\t0:5.1-1\tx86_64\n'")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    database = tmp_path / "root/var/lib/rpm/rpmdb.sqlite"
    database.parent.mkdir(parents=True)
    database.write_text("1")
    inputs = StateInputs(tmp_path / "root")
    for _ in range(3):
        while (found := inputs.read(RPM, PLACES, 0)) is None:
            time.sleep(0.01)
        assert list(found) == [Found("rpm", b"bash\t0:5.1-1\tx86_64\n")]
    assert asked(tmp_path) == 1
    database.write_text("12")
    while inputs.read(RPM, PLACES, 0) is None:
        time.sleep(0.01)
    assert asked(tmp_path) == 2
    inputs.close()


def test_an_rpm_that_fails_or_hangs_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="rpm ended with 3"):
        answer(RpmQuery("/", fake_rpm(tmp_path, "exit 3")))
    query = RpmQuery("/", fake_rpm(tmp_path, "exec sleep 100"))
    assert query.ask(0) is None
    with pytest.raises(OSError, match="takes too long"):
        query.ask(PATIENCE)
    query.close()


def test_a_host_without_rpm_has_no_such_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not StateInputs(tmp_path).can_read(RPM)
    assert StateInputs(tmp_path).can_read(SOURCES["cron"])


@pytest.mark.root
def test_sockets_that_listen_have_their_owner() -> None:
    inputs = StateInputs(Path("/"))
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        name = f"tcp 127.0.0.1:{server.getsockname()[1]}"
        there = {one.path: one.content for one in inputs.read(SOURCES["listeners"], (), 0) or ()}
        assert there[name] == bytes(Path("/proc/self/exe").readlink())
        assert inputs.owners[name] == os.getpid()
        assert f"udp 127.0.0.1:{client.getsockname()[1]}" not in there  # a client's port
    assert name not in {one.path for one in inputs.read(SOURCES["listeners"], (), 0) or ()}


def test_homes_on_a_network_file_system_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "home/a").mkdir(parents=True)
    (tmp_path / "home/a/k").write_text("x")
    mounts = tmp_path / "mountinfo"
    mounts.write_bytes(b"40 35 0:50 / " + os.fsencode(tmp_path / "home") + b" rw - nfs4 s:/home rw\n")
    files = StateFiles(tmp_path, mounts)
    files.homes()
    assert list(files.read((Place("/home/a", "k"),), 100)) == []
    assert files.lost == {"on a network file system, not read": 1}


def test_more_files_than_are_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.host_state.state_files.FILES", 2)
    for name in "abc":
        (tmp_path / name).write_text(name)
    files = StateFiles(tmp_path)
    assert len(list(files.read((Place("/"),), 100))) == 2
    assert files.lost == {"more files than are read": 1}


def test_a_long_file_is_cut_and_told_once(tmp_path: Path) -> None:
    (tmp_path / "long").write_text("x" * 101)
    files = StateFiles(tmp_path)
    for _ in range(2):
        assert [len(one.content) for one in files.read((Place("/", "long"),), 100)] == [100]
    assert files.lost == {"longer than is read": 1}
