"""The deb around Debian's own Python, from install to purge: what maintainer scripts, units and filters do.

It needs neither a build of the runtime nor a cache. What this machine cannot give is skipped and named.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from packages import nfpm, pack
from packages.nfpm import Release
from packages.product import AGENT
from runtime import cache
from runtime.errors import BuildFailed

from tests.packages import doings, plain, roots, stand_in
from tests.packages.built import INSIDE, OLD
from tests.packages.container import Container
from tests.packages.errors import RootFailed
from tests.packages.fleet import STATE, UNITS, Fleet, booted

_DEBIAN = "3.11"
_PYTHON = Path(f"/usr/bin/python{_DEBIAN}")
_LIBBPF = Path("/usr/lib/x86_64-linux-gnu/libbpf.so.1")


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the agent's package; it finds its libraries where the tree is bound inside."""
    if stand_in.VERSION != _DEBIAN or not _PYTHON.exists() or not _LIBBPF.exists():
        pytest.skip(f"it takes {_PYTHON}, {_LIBBPF} and libraries of Python {_DEBIAN}, as Debian 12 has")
    folder = tmp_path_factory.mktemp("deb")
    try:
        writer = nfpm.program(cache.default())
    except BuildFailed as error:
        pytest.skip(f"nfpm is not to be had: {error!s:.200}")
    parts = stand_in.make(
        tmp_path_factory.mktemp("parts"), writer, _PYTHON, libbpf=_LIBBPF, elsewhere="/opt/site"
    )
    return next(
        path
        for path in pack.build(AGENT, parts, Release(OLD, "amd64"), folder / "work", folder / "out")
        if path.suffix == ".deb"
    )


@pytest.fixture(scope="module")
def fleet(folder: Path, deb: Path) -> Iterator[Fleet]:
    try:
        base = roots.root("bookworm")
    except (RootFailed, subprocess.TimeoutExpired) as error:
        pytest.skip(f"no root of Debian 12 is to be had: {error!s:.300}")
    _skip_unless_it_can_boot(base, folder)
    bases = dict.fromkeys(("host-1", "collector-1"), base)
    binds = {**plain.BINDS, deb.parent: INSIDE}
    with booted(bases, folder / "deb1", _the_collector_alone, binds) as made:
        made.set_up_collector()
        yield made


def _the_collector_alone(container: Container) -> None:
    if container.name == "collector-1":
        plain.install(container)


def _skip_unless_it_can_boot(base: Path, folder: Path) -> None:
    """Try what a boot takes: an overlay in a mount namespace, and a network namespace."""
    names = [folder / name for name in ("upper", "work", "probe")]
    for path in names:
        path.mkdir()
    layers = f"lowerdir={base},upperdir={names[0]},workdir={names[1]},index=on,nfs_export=on"
    for words in (
        ("unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", layers, str(names[2])),
        ("unshare", "--net", "ip", "link", "add", "probe", "type", "veth", "peer", "name", "other"),
    ):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"this machine cannot boot a system: {words[0]} {words[2]}: {done.stderr:.200}")


def test_it_installs_and_waits(fleet: Fleet, deb: Path) -> None:
    fleet.host.run("dpkg", "-i", f"{INSIDE}/{deb.name}")
    assert fleet.host.run("systemctl", "is-enabled", *UNITS).split() == ["enabled"] * len(UNITS)
    assert fleet.host.run("systemctl", "--failed", "--no-legend", "--plain") == ""


def test_real_events_arrive_once_it_is_enrolled(fleet: Fleet) -> None:
    fleet.enrol()
    fleet.host.wait("an agent at work", fleet.is_active)
    doings.let_all_kinds_arrive(fleet)


def test_a_removal_keeps_what_identifies_and_a_purge_erases(fleet: Fleet, deb: Path) -> None:
    before = fleet.status()["agent"]
    fleet.host.run("dpkg", "--remove", "vedette-agent")
    _wait_for_farewell(fleet, "package removed")
    fleet.host.run("dpkg", "-i", "--force-confold", f"{INSIDE}/{deb.name}")
    fleet.host.wait("an agent at work", fleet.is_active)
    assert fleet.host.wait("a status", fleet.status)["agent"] == before
    _let_enrolment_fail(fleet)
    fleet.host.run("dpkg", "--purge", "vedette-agent")
    _wait_for_farewell(fleet, "package purged")
    for path in (STATE, "/run/vedette", "/etc/vedette", "/sys/fs/bpf/vedette"):
        fleet.host.run("test", "-e", path, code=1)
    assert fleet.host.run("systemctl", "--failed", "--no-legend", "--plain") == ""


def _let_enrolment_fail(fleet: Fleet) -> None:
    """Leave the unit as it is when a removal ends it at its start: failed, which systemd goes on to show."""
    folder = "/run/systemd/system/vedette-enroll.service.d"
    fails = "printf '[Service]\\nExecCondition=\\nExecCondition=/bin/sh -c \"exit 255\"\\n'"
    fleet.host.shell(f"mkdir {folder}; {fails} >{folder}/fails.conf; systemctl daemon-reload")
    fleet.host.run("systemctl", "start", "vedette-enroll.service", code=1)


def _wait_for_farewell(fleet: Fleet, reason: str) -> None:
    sql = "SELECT body FROM events WHERE kind = 'agent.stop'"
    fleet.wait_for(
        f"a farewell: {reason}",
        sql,
        lambda rows: reason in [json.loads(row["body"])["reason"] for row in rows],
    )
