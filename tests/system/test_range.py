"""The range: real logins on test hosts; what is played is found, its twins are not, and all of it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from range import marked
from range.hosts import ground
from range.scenario import load
from tests.system.process_tree import descendants

ROOT = Path(__file__).parents[2]
FOUND = (
    "scp-out",
    "sftp-get",
    "curl-upload",
    "git-push",
    "dump-compress-upload",
    "ssh-tunnel",
    "netcat",
    "dev-tcp",
    "base64-terminal",
    "sudo-service-account",
    "authorized-key",
    "log-cut",
    "log-wiped",
    "login-record-erased",
    "agent-killed",
    "agent-killed-whole",
    "agent-stopped",
    "key-stolen",
    "lateral-hops",
    "service-upload",
    "root-account",
    "memory-program",
    "loginuid-forged",
)
"""What the rules of today find; docs/range.md has the others too."""
MARKED = {**os.environ, marked.VARIABLE: "this-host-is-a-range"}

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: namespaces and accounts in them are made"),
    pytest.mark.timeout(400),
]


@pytest.fixture(scope="module")
def namespaces() -> None:
    if subprocess.run(ground.command("this"), check=False, capture_output=True, cwd=ROOT).returncode:
        pytest.skip("the kernel or the container makes no namespaces here")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Play all that is found, once, on one set of hosts."""
    keep = tmp_path_factory.mktemp("range")
    words = ["range", "run", *FOUND, "--json", "--keep", str(keep)]
    done = subprocess.run(
        [sys.executable, "-m", "client.cli", *words],
        cwd=ROOT,
        env=MARKED,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    found = {row["scenario"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert set(found) == set(FOUND), done.stderr
    return found


@pytest.mark.parametrize("name", FOUND)
def test_a_scenario_is_found_and_its_twin_is_silent(rows: dict[str, dict[str, Any]], name: str) -> None:
    row = rows[name]
    assert row["rule"] in load()[name].truth.rules
    assert row["person_right"]
    assert row["bytes_right"] is not False
    assert row["evidence_verified"]
    assert row["incidents"] == 1
    assert (row["twin_alerts"], row["twin_rules"]) == (0, [])


def test_a_host_that_is_not_marked_is_refused(tmp_path: Path) -> None:
    if marked.MARK.exists():
        pytest.skip(f"{marked.MARK} marks this host")
    unmarked = {name: value for name, value in os.environ.items() if name != marked.VARIABLE}
    words = ["range", "run", "curl-upload", "--json", "--config", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "client.cli", *words],
        cwd=ROOT, env=unmarked, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "not marked as a range" in done.stderr


def machine() -> tuple[list[Path], list[Path]]:
    """Return what a range could leave: files where its tmpfs is mounted, and named network namespaces."""
    return sorted(Path("/media").iterdir()), sorted(Path("/run").glob("netns/*"))


@pytest.mark.usefixtures("namespaces")
def test_logins_are_real_nothing_of_the_machine_changes_and_a_kill_leaves_nothing() -> None:
    before = machine()
    command = ground.command("tests.system.range_host_at_work")
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            inside = descendants(process.pid)
            assert machine() == before
        finally:
            process.kill()
    auid, uid, host, machine_id, session = told["login"]
    assert (auid, host) == (uid, "app")
    assert int(session) not in (0, 0xFFFFFFFF)
    assert machine_id != Path("/etc/machine-id").read_text().strip()
    assert told["sudo"][:3] == [auid, "0", "app"], "sudo keeps the login uid"
    assert "Accepted publickey for alice from 198.51.100.10" in told["log"][0]
    assert len(inside) >= 5
    while any(Path("/proc", pid, "exe").exists() for pid in inside):  # the test's time limit ends a leak
        time.sleep(0.05)
    assert machine() == before
