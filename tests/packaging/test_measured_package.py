"""A benchmark told of a package runs what is in it, and not this checkout."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.bench import program

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")

CONTROL = "Package: vedette-agent\nVersion: 1\nArchitecture: all\nMaintainer: Nobody\nDescription: none\n"
SAYS_ITS_ARGUMENTS = '#!/bin/sh\necho "$0 $*" >>"$(dirname "$0")/said"\nexec sleep 60\n'


def package(folder: Path) -> Path:
    """Return a deb with an interpreter that notes how it was started, and goes on until it is ended."""
    python = folder / "tree/usr/lib/vedette/agent/python/bin/python3.13"
    (folder / "tree/DEBIAN").mkdir(parents=True)
    (folder / "tree/DEBIAN/control").write_text(CONTROL)
    python.parent.mkdir(parents=True)
    python.write_text(SAYS_ITS_ARGUMENTS)
    python.chmod(0o755)
    python.with_name("python3").symlink_to(python.name)
    deb = folder / "made.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", str(folder / "tree"), str(deb)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return deb


def test_a_package_runs_its_own_python_and_no_module_of_the_checkout(tmp_path: Path) -> None:
    with program.chosen(package(tmp_path)) as measured:
        python, *words = measured.command(Path("/a.toml"), "status")
        assert python.endswith("/usr/lib/vedette/agent/python/bin/python3.13")
        assert words == ["-I", "-m", "agent.cli", "status", "--config", "/a.toml"]
        assert measured.folder == Path("/")
    assert not Path(python).exists()


def test_a_package_runs_watch_and_ship_without_a_supervisor(tmp_path: Path) -> None:
    with program.chosen(package(tmp_path)) as measured:
        running = measured.start(Path("/a.toml"))
        assert [one.args[4] for one in running.started if isinstance(one.args, list)] == ["watch", "ship"]
        assert {one.pid for one in running.started} <= set(running.pids())
        running.stop()
        assert all(one.returncode is not None for one in running.started)


def test_a_part_that_ended_by_itself_is_no_measurement(tmp_path: Path) -> None:
    with program.chosen(package(tmp_path)) as measured:
        running = measured.start(Path("/a.toml"))
        running.started[1].kill()
        running.started[1].wait()
        with pytest.raises(RuntimeError, match="ended while it was measured"):
            running.stop()


def test_what_is_no_package_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other.deb"
    other.write_bytes(b"no archive")
    with pytest.raises(SystemExit, match=r"other\.deb is no Debian package"), program.chosen(other):
        pass


def test_without_a_package_it_is_the_checkout() -> None:
    with program.chosen(None) as measured:
        assert measured is program.CHECKOUT
        assert not measured.as_units
