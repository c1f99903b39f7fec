"""The units at work in a booted system, from a plain tree: what their filters leave the sensors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packages import doings, plain, roots
from tests.packages.fleet import UNITS, Fleet, booted
from tests.packages.network import COLLECTOR_ADDRESS


@pytest.fixture(scope="module")
def fleet(folder: Path) -> Iterator[Fleet]:
    with booted(
        dict.fromkeys(("host-1", "collector-1"), roots.root("bookworm")), folder, plain.install, plain.BINDS
    ) as made:
        made.set_up_collector()
        made.enrol()
        made.host.wait("an agent at work", made.is_active)
        yield made


def test_every_sensor_sees_an_act_of_its_own_within_the_unit(fleet: Fleet) -> None:
    doings.let_all_sensors_see(fleet)


def test_what_people_and_programs_do_arrives(fleet: Fleet) -> None:
    doings.let_all_kinds_arrive(fleet)


def test_rings_are_pinned(fleet: Fleet) -> None:
    assert fleet.host.shell("ls /sys/fs/bpf/vedette/*/ | wc -l").strip() != "0"
    assert [one["name"] for one in fleet.status()["sensors"] if one.get("unpinned")] == []


def test_watch_reaches_the_loopback_and_nothing_else(fleet: Fleet) -> None:
    group = "/sys/fs/cgroup/system.slice/vedette-watch.service/cgroup.procs"
    script = (
        "import socket, sys; open(sys.argv[1], 'w').write('0'); "
        "s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname(), 5); "
        f"socket.create_connection(('{COLLECTOR_ADDRESS}', 7443), 5)"
    )
    done = fleet.host.try_run("python3", "-c", script, group)
    assert done.stderr.splitlines()[-1].split(":")[0] in ("PermissionError", "TimeoutError")
    without = script.replace("open(sys.argv[1], 'w').write('0'); ", "")
    fleet.host.run("python3", "-c", without)


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_confined(fleet: Fleet, unit: str) -> None:
    lines = fleet.host.run("cat", f"/proc/{fleet.pid(unit)}/status").splitlines()
    status = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert status["Uid"].split()[0] != "0"
    if "ship" in unit:
        assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == 0


def test_a_stop_is_told_with_its_reason(fleet: Fleet) -> None:
    fleet.host.run("systemctl", "stop", *UNITS)
    found = fleet.wait_for("a farewell", "SELECT body FROM events WHERE kind = 'agent.stop'")
    assert json.loads(found[0]["body"])["reason"] == "stopped by SIGTERM"
    fleet.host.run("systemctl", "start", *UNITS)
