"""The life of an installed agent, from package to purge; each test goes on from the last."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.packages import doings, memory, roots
from tests.packages.built import INSIDE, NEW, OLD, Packages
from tests.packages.container import Container
from tests.packages.fleet import STATE, UNITS, Fleet, booted

_LOAD = """
i=0
while [ ! -e /run/enough ]; do /bin/true {mark}-$i; i=$((i + 1)); sleep 0.02; done
rm /run/enough
echo $i
"""


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def fleet(request: pytest.FixtureRequest, folder: Path, debs: Packages) -> Iterator[Fleet]:
    suite = str(request.param)
    bases = {"host-1": roots.root(suite), "collector-1": roots.root("bookworm")}
    with booted(bases, folder / suite, _nothing, {debs.folder: INSIDE}) as made:
        made.collector.run("dpkg", "-i", debs.collector)
        made.set_up_collector()
        yield made


def _nothing(_container: Container) -> None:
    """Put nothing into a root: the packages bring all there is."""


def test_an_install_without_a_token_waits(fleet: Fleet, debs: Packages) -> None:
    fleet.host.run("dpkg", "-i", debs.agent(OLD))
    assert fleet.host.run("systemctl", "is-enabled", *UNITS).split() == ["enabled"] * len(UNITS)
    assert fleet.host.try_run("systemctl", "is-active", *UNITS).stdout.split() == ["inactive"] * len(UNITS)
    assert fleet.host.run("systemctl", "--failed", "--no-legend", "--plain") == ""


def test_a_token_file_enrols_it(fleet: Fleet) -> None:
    agent = fleet.enrol()
    fleet.host.wait("an agent at work", fleet.is_active)
    fleet.wait_for("its start", f"SELECT kind FROM events WHERE agent = '{agent}' AND kind = 'agent.start'")  # noqa: S608 - our own words


def test_every_sensor_sees(fleet: Fleet) -> None:
    doings.let_all_sensors_see(fleet)


def test_every_kind_arrives(fleet: Fleet) -> None:
    doings.let_all_kinds_arrive(fleet)


@pytest.mark.parametrize("version", [NEW, OLD], ids=["upgrade", "downgrade"])
def test_another_version_under_load_loses_and_doubles_nothing(
    fleet: Fleet, debs: Packages, version: str
) -> None:
    before, mark = fleet.status()["agent"], f"load-{version}"
    load = fleet.host.start("sh", "-c", _LOAD.format(mark=mark))
    time.sleep(2)
    former = fleet.pid("vedette-watch.service")
    fleet.host.run("dpkg", "-i", "--force-confold", debs.agent(version))
    fleet.host.wait(
        "the new watch", lambda: fleet.is_active() and fleet.pid("vedette-watch.service") != former
    )
    time.sleep(2)
    _finish_each_once(fleet, load, mark)
    assert "# this host's own line" in fleet.host.run("cat", "/etc/vedette/agent.toml")
    assert fleet.host.wait("a status", fleet.status)["agent"] == before


def _finish_each_once(fleet: Fleet, load: subprocess.Popen[str], mark: str) -> None:
    """End the load, and find each of its execs once."""
    fleet.host.run("touch", "/run/enough")
    said, _ = load.communicate(timeout=60)
    done = int(said)
    fleet.wait_for(
        f"all of {done} execs, each once",
        "SELECT count(*) AS n, count(DISTINCT cmd_line) AS d FROM events "  # noqa: S608 - our own words
        f"WHERE kind = 'process.exec' AND cmd_line LIKE '/bin/true {mark}-%'",
        lambda rows: rows[0] == {"n": done, "d": done},
    )


@pytest.mark.parametrize("unit", UNITS)
def test_a_killed_part_comes_back_and_costs_no_exec(fleet: Fleet, unit: str) -> None:
    mark, killed = f"kill-{unit}", fleet.pid(unit)
    load = fleet.host.start("sh", "-c", _LOAD.format(mark=mark))
    fleet.host.run("systemctl", "kill", "--signal=KILL", unit)
    fleet.host.wait("a new process", lambda: fleet.is_active() and fleet.pid(unit) not in (0, killed))
    _finish_each_once(fleet, load, mark)


@pytest.mark.parametrize("unit", UNITS)
def test_a_part_out_of_memory_comes_back_and_costs_no_exec(fleet: Fleet, unit: str) -> None:
    mark, starved = f"memory-{unit}", fleet.pid(unit)
    others = {one: fleet.pid(one) for one in UNITS if one != unit}
    load = fleet.host.start("sh", "-c", _LOAD.format(mark=mark))
    time.sleep(2)
    with memory.none_left(fleet.host.outside(starved)) as kills:
        fleet.host.wait("a new process", lambda: fleet.is_active() and fleet.pid(unit) not in (0, starved))
        assert kills() == 1
    time.sleep(2)
    _finish_each_once(fleet, load, mark)
    assert {one: fleet.pid(one) for one in others} == others


def test_a_reboot_is_told_and_the_identity_stays(fleet: Fleet) -> None:
    before = fleet.status()["agent"]
    fleet.host.reboot()
    fleet.host.wait("an agent at work", fleet.is_active)
    assert fleet.host.wait("a status", fleet.status)["agent"] == before
    _wait_for_farewell(fleet, "shutdown of the host")
    boots = "SELECT DISTINCT boot FROM events WHERE kind = 'agent.start' AND host = 'host-1'"
    fleet.wait_for("starts in one boot id of a shared kernel", boots)


def test_a_removal_without_a_collector_ends_in_time_and_keeps_what_identifies(
    fleet: Fleet, debs: Packages
) -> None:
    before = fleet.status()["agent"]
    fleet.collector.run("systemctl", "stop", "vedette-collector.service")
    began = time.monotonic()
    fleet.host.run("dpkg", "--remove", "vedette-agent")
    assert time.monotonic() - began < 60
    fleet.host.run("test", "-e", f"{STATE}/watch/identity.json")
    assert fleet.host.shell("ls /sys/fs/bpf/vedette") == ""
    fleet.collector.run("systemctl", "start", "vedette-collector.service")
    fleet.host.run("dpkg", "-i", "--force-confold", debs.agent(NEW))
    fleet.host.wait("an agent at work", fleet.is_active)
    assert fleet.host.wait("a status", fleet.status)["agent"] == before
    _wait_for_farewell(fleet, "package removed")


def test_a_purge_says_farewell_and_erases(fleet: Fleet) -> None:
    known = len(_farewells(fleet))
    fleet.host.run("dpkg", "--purge", "vedette-agent")
    for path in (STATE, "/run/vedette", "/etc/vedette", "/sys/fs/bpf/vedette"):
        fleet.host.run("test", "-e", path, code=1)
    fleet.host.wait("one more farewell", lambda: len(_farewells(fleet)) > known)
    assert "package purged" in _farewells(fleet)
    assert fleet.host.run("systemctl", "--failed", "--no-legend", "--plain") == ""


def test_the_ledger_is_whole(fleet: Fleet) -> None:
    fleet.collector.run("systemctl", "stop", "vedette-collector.service")
    fleet.collector.run("vedette-collector", "fsck")


def _farewells(fleet: Fleet) -> list[str]:
    rows: list[dict[str, Any]] = fleet.rows("SELECT body FROM events WHERE kind = 'agent.stop'")
    return [json.loads(row["body"])["reason"] for row in rows]


def _wait_for_farewell(fleet: Fleet, reason: str) -> None:
    fleet.host.wait(f"a farewell: {reason}", lambda: reason in _farewells(fleet))
