"""The units: as closed as promised, open for what the sensors need, and in agreement with the code."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.enrolment import token_source
from agent.kernel import pin_folders
from agent.layout import Layout, prepare
from agent.reporting import doctor
from agent.reporting.outside import SHIP_UNIT
from agent.settings import Settings
from agent.shipping import ship_process
from agent.supervision.privilege import SHIP_USER, Account

UNITS = Path(__file__).parents[2] / "packaging" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
MOST_EXPOSED = {
    "vedette-enroll.service": 2.5,
    "vedette-watch.service": 3.5,
    "vedette-ship.service": 1.2,
    "vedette-collector.service": 1.2,
}
SENSORS_CALL = {
    *("bpf", "perf_event_open", "fanotify_init", "fanotify_mark", "open_by_handle_at", "inotify_init1"),
    *("ioprio_set", "capset", "setresuid", "ptrace", "unshare", "mount", "io_uring_setup", "mkdir", "rename"),
}
"""What opening the sensors, pinning, scanning and the acts by which hooks are proven need."""
CLOSED = {"init_module", "finit_module", "kexec_load", "reboot", "swapon", "settimeofday", "umount2", "chown"}

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def values(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in (UNITS / unit).read_text().splitlines():
        if "=" in line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


@functools.cache
def call_set(name: str) -> frozenset[str]:
    """Return the system calls of a set such as @file-system."""
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
    )
    words = {line.strip() for line in done.stdout.splitlines()[1:] if not line.strip().startswith("#")} - {""}
    return frozenset(calls(words))


def calls(words: set[str]) -> Iterator[str]:
    for word in words:
        if word.startswith("@"):
            yield from call_set(word)
        else:
            yield word


def allowed(unit: str) -> set[str]:
    found: set[str] = set()
    for line in values(unit)["SystemCallFilter"]:
        words = set(calls(set(line.removeprefix("~").split())))
        found = found - words if line.startswith("~") else found | words
    return found


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_a_unit_is_exposed_no_more_than_promised(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze judges no files (before 250)")
    level = re.search(r"exposure level for \S+ ([0-9.]+)", done.stdout)
    assert level is not None, done.stderr
    assert float(level[1]) <= MOST_EXPOSED[unit.name]


@needs_systemd
def test_watch_may_call_what_its_sensors_need_and_little_else() -> None:
    found = allowed("vedette-watch.service")
    assert found >= SENSORS_CALL
    assert not found & CLOSED


@needs_systemd
@pytest.mark.parametrize("unit", ["vedette-ship.service", "vedette-collector.service"])
def test_the_others_may_call_nothing_privileged(unit: str) -> None:
    assert not allowed(unit) & (CLOSED | {"bpf", "mount", "ptrace", "setresuid"})


def test_watch_has_no_internet_and_ship_no_capability() -> None:
    watch, ship = values("vedette-watch.service"), values("vedette-ship.service")
    assert watch["RestrictAddressFamilies"] == ["AF_UNIX AF_NETLINK AF_INET"]
    assert (watch["IPAddressAllow"], watch["IPAddressDeny"]) == (["localhost"], ["any"])
    assert watch["AmbientCapabilities"] == watch["CapabilityBoundingSet"]
    assert ship["AmbientCapabilities"] == ship["CapabilityBoundingSet"] == [""]


@pytest.mark.root
@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make users")
@pytest.mark.parametrize("conf", sorted(UNITS.glob("*.sysusers.conf")), ids=lambda path: path.name)
def test_every_user_is_made_and_no_line_is_refused(conf: Path, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    done = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", str(conf)], capture_output=True, text=True, check=True
    )
    assert "not a valid" not in done.stderr
    made = {line.split(":")[0] for line in (tmp_path / "etc" / "passwd").read_text().splitlines()}
    lines = [line.split() for line in conf.read_text().splitlines() if line.startswith("u ")]
    assert made >= {words[1] for words in lines}


def test_watch_has_the_capabilities_that_doctor_asks_for() -> None:
    given = set(values("vedette-watch.service")["AmbientCapabilities"][0].split())
    assert {name for name, _ in doctor.CAPABILITIES.values()} <= given


def test_each_unit_watches_over_progress_and_is_bounded() -> None:
    for name in ("vedette-watch.service", "vedette-ship.service"):
        found = values(name)
        assert found["Type"] == ["notify"]
        for key in ("WatchdogSec", "MemoryMax", "CPUQuota", "TasksMax", "TimeoutStopSec"):
            assert found[key], f"{name}: {key}"
    assert values("vedette-watch.service")["RuntimeDirectoryPreserve"] == ["restart"]


def test_a_part_of_the_collector_that_ends_for_want_of_memory_ends_no_other() -> None:
    assert values("vedette-collector.service")["OOMPolicy"] == ["continue"]


def test_watch_stops_before_ship_so_that_its_farewell_is_sent() -> None:
    after = " ".join(values("vedette-watch.service")["After"]).split()
    assert SHIP_UNIT in after


def test_ship_is_left_the_time_that_it_takes_to_send_what_is_left() -> None:
    assert int(values(SHIP_UNIT)["TimeoutStopSec"][0]) > ship_process.DRAIN == 10


def test_a_host_enrols_by_itself_once_and_its_parts_start_then() -> None:
    enrols = values("vedette-enroll.service")
    assert enrols["ExecCondition"] == ["/usr/bin/vedette-agent enroll --needed"]
    assert enrols["ExecStart"] == ["/usr/bin/vedette-agent enroll --wait --delete-token"]
    assert enrols["LoadCredential"] == [token_source.CREDENTIAL]
    assert enrols["EnvironmentFile"] == [f"-{token_source.ENVIRONMENT_FILE}"]
    assert {"vedette-watch.service", "vedette-ship.service"} <= set(enrols["ExecStartPost"][-1].split())
    assert values("vedette-enroll.path")["PathChanged"] == [str(token_source.WAITED_FOR)]
    assert "token" not in " ".join(enrols["ExecStart"]).replace("--delete-token", "")
    assert "RestrictSUIDSGID" not in enrols, "the spool's folders have the set-group-id bit"


def test_users_and_places_are_those_of_the_code() -> None:
    users = {
        line.split()[1]
        for path in UNITS.glob("*.sysusers.conf")
        for line in path.read_text().splitlines()
        if line.startswith("u ")
    }
    assert {value for path in SERVICES for value in values(path.name)["User"]} == users
    assert SHIP_USER in users
    settings = Settings()
    assert f"/run/{values('vedette-watch.service')['RuntimeDirectory'][0]}" == str(settings.runtime)
    places = Layout(settings.state)
    writable = values("vedette-watch.service")["ReadWritePaths"][0].split()
    assert writable == [str(places.watch), str(places.spool), "-/sys/fs/bpf/vedette"]
    assert values("vedette-ship.service")["ReadWritePaths"] == [f"{places.ship} {places.inbox}"]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_the_packages_folders_are_those_that_the_agent_makes(tmp_path: Path) -> None:
    ids = {"root": 0, "vedette-watch": 61_184, "vedette-ship": 61_185}
    names = {number: name for name, number in ids.items()}
    layout = Layout(tmp_path / "vedette")
    prepare(layout, Account(61_185, 61_185), Account(61_184, 61_184))
    made = {
        (
            str(path.relative_to(tmp_path)),
            f"{found.st_mode & 0o7777:04o}",
            names[found.st_uid],
            names[found.st_gid],
        )
        for path in (layout.state, *layout.state.rglob("*"))
        for found in [path.stat()]
    }
    lines = (UNITS / "vedette-agent.tmpfiles.conf").read_text().splitlines()
    given = {tuple(line.split()[1:]) for line in lines if line.startswith("d /var/lib/")}
    assert given == {("/var/lib/" + path, *rest) for path, *rest in made}


def test_the_folder_of_pins_is_made_for_watch() -> None:
    text = (UNITS / "vedette-agent.tmpfiles.conf").read_text()
    mount = pin_folders.bpffs() or Path("/sys/fs/bpf")
    assert re.search(rf"^d {mount}/vedette +0700 vedette-watch vedette-watch$", text, re.MULTILINE)
