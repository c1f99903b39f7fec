"""The demo, as a person runs it: right, complete, valid against the schema, and gone without a trace."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from range.hosts import ground
from tests.evidence.ocsf_schema import violations
from tests.system.process_tree import descendants

ROOT = Path(__file__).parents[2]
_VISITOR = r"""
{ cat /etc/passwd; echo 'visitor:x:12345:12345::/tmp:/bin/sh'; } > "$1"
mount --bind "$1" /etc/passwd
shift
exec unshare --user --map-user=12345 --map-group=12345 "$@"
"""
"""Runs a command as an account without any privilege, which only the command sees."""


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a folder in which the demos of a test make theirs, so that others' are not taken for them."""
    with tempfile.TemporaryDirectory(prefix="vedette-test-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture
def fleet() -> None:
    """Pass where the machine can make test hosts."""
    why = ground.refusal()
    if why is not None:
        pytest.skip(why)


@pytest.fixture
def ordinary(tmp_path: Path) -> Sequence[str]:
    """Return the words before a command that make an ordinary user run it."""
    if os.geteuid() != 0:
        return ()
    words = ("unshare", "--mount", "bash", "-ec", _VISITOR, "visitor", str(tmp_path / "passwd"))
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this root can make neither mount nor user namespaces")
    return words


def demo(place: Path, *options: str, before: Sequence[str] = ()) -> subprocess.Popen[str]:
    command = [*before, sys.executable, "-m", "range.demo", *options]
    pipe = subprocess.PIPE
    around = {**os.environ, "TMPDIR": str(place)}
    return subprocess.Popen(command, cwd=ROOT, env=around, stdout=pipe, stderr=pipe, text=True)


def traces(place: Path) -> list[str]:
    """Return what a demo in place may have left: its marker, its folder, its agent's pins, its processes."""
    found = [str(path) for path in [ROOT / ".demo", *place.iterdir()] if path.exists()]
    if os.geteuid() == 0:
        owners = [str(link.readlink()) for link in Path("/sys/fs/bpf/vedette").glob("*/owner")]
        found += [owner for owner in owners if owner.startswith(str(place))]
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return found + [line for line in listed.splitlines() if str(place) in line]


@pytest.mark.root
@pytest.mark.usefixtures("fleet")
@pytest.mark.timeout(240)
def test_the_demo_shows_the_incident_its_proof_and_its_forgery(tmp_path: Path, place: Path) -> None:
    exported, bundle, receipts = tmp_path / "events.ndjson", tmp_path / "bundle", tmp_path / "receipts"
    files = ["--export", str(exported), "--bundle", str(bundle), "--receipts", str(receipts)]
    with demo(place, "--once", "--tamper", *files) as running:
        told, complained = running.communicate()
    assert running.returncode == 0, told + complained
    assert "Traceback" not in told + complained
    for words in (
        "acted on bastion → app as alice, deploy.",
        "VERIFIED",
        "by sudo or su as deploy",
        "over the inbound session to 198.51.100.10",
        "no other recorded connection of these sessions left",
        "bob, who went the same way and moved as much, raised no alert.",
        "is not here, yet its host holds a receipt",
    ):
        assert words in " ".join(told.split()), told
    events = [json.loads(line) for line in exported.read_text().splitlines()]
    assert {event["device"]["name"] for event in events} >= {"bastion", "app"}
    assert [(event["message"], violations(event)) for event in events if violations(event)] == []
    assert proven(bundle, receipts) == "verified"
    assert traces(place) == []


def proven(bundle: Path, receipts: Path) -> str:
    """Return what an auditor elsewhere learns from the files that the demo wrote."""
    words = ["prove", "--bundle", str(bundle), "--trust", str(receipts), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "client.cli", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return str(json.loads(done.stdout)["status"])


@pytest.mark.timeout(120)
def test_an_ordinary_user_sees_the_small_one_and_is_told_why(place: Path, ordinary: Sequence[str]) -> None:
    with demo(place, "--once", before=ordinary) as running:
        told, complained = running.communicate()
    assert running.returncode == 0, told + complained
    assert told.splitlines()[0].startswith("The small demo, on this host alone: only root may")
    assert "seen by a lower rung:" in told
    assert "verified" in told
    assert traces(place) == []


@contextlib.contextmanager
def demo_under_way(place: Path, before: Sequence[str] = ()) -> Iterator[subprocess.Popen[str]]:
    """Start a demo, wait until its first programs run, and end it however the test ends."""
    with demo(place, before=before) as running:
        try:
            assert running.stdout is not None
            assert any(line.startswith("Vedette starts") for line in running.stdout)
            while len(descendants(running.pid)) < 3:  # the test's own time limit ends what never starts
                time.sleep(0.1)
            yield running
        finally:
            running.kill()


@pytest.mark.root
@pytest.mark.usefixtures("fleet")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_fleet_that_is_interrupted_or_killed_leaves_nothing(place: Path, number: signal.Signals) -> None:
    with demo_under_way(place) as running:
        below = descendants(running.pid)
        running.send_signal(number)
        assert running.wait(60) == (0 if number is signal.SIGINT else -number)
    while any(Path("/proc", pid, "exe").exists() for pid in below):
        assert number is signal.SIGKILL, "it said that everything is removed"
        time.sleep(0.05)
    assert traces(place) == []


@pytest.mark.timeout(120)
def test_clean_removes_what_a_killed_small_one_left(place: Path, ordinary: Sequence[str]) -> None:
    with demo_under_way(place, ordinary) as running:
        running.kill()
    assert traces(place) != []
    with demo(place, "--clean") as cleaning:
        cleaning.communicate()
    assert cleaning.returncode == 0
    while traces(place):
        time.sleep(0.1)
