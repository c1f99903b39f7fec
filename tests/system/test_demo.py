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
from collections.abc import Iterator
from pathlib import Path

import pytest

from range.outside import NAMESPACE
from tests.evidence.ocsf_schema import violations

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a folder in which the demos of a test make theirs, so that others' are not taken for them."""
    with tempfile.TemporaryDirectory(prefix="vedette-test-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def demo(place: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "range.demo", *options]
    pipe = subprocess.PIPE
    around = {**os.environ, "TMPDIR": str(place)}
    return subprocess.Popen(command, cwd=ROOT, env=around, stdout=pipe, stderr=pipe, text=True)


def traces(place: Path) -> list[str]:
    """Return what a demo in place may have left: its marker, its folder, its agent's pins, its processes."""
    found = [str(path) for path in [ROOT / ".demo", *place.iterdir()] if path.exists()]
    if os.geteuid() == 0:
        owners = [str(link.readlink()) for link in Path("/sys/fs/bpf/vedette").glob("*/owner")]
        found += [owner for owner in owners if owner.startswith(str(place))]
        found += namespaces(place)
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return found + [line for line in listed.splitlines() if str(place) in line]


def namespaces(place: Path) -> list[str]:
    """Return the demo's network namespace, unless a process of another demo is in it."""
    listed = subprocess.run(["ip", "netns", "pids", NAMESPACE], capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        return []
    lines: list[bytes] = []
    for pid in listed.stdout.split():
        with contextlib.suppress(OSError):
            lines.append(Path(f"/proc/{pid}/cmdline").read_bytes())
    return [NAMESPACE] if all(bytes(place) in line for line in lines) else []


@pytest.mark.timeout(240)
def test_the_demo_shows_the_incident_its_proof_and_its_forgery(tmp_path: Path, place: Path) -> None:
    exported, bundle, receipts = tmp_path / "events.ndjson", tmp_path / "bundle", tmp_path / "receipts"
    files = ["--export", str(exported), "--bundle", str(bundle), "--receipts", str(receipts)]
    with demo(place, "--once", "--tamper", *files) as running:
        told, complained = running.communicate()
    assert running.returncode == 0, told + complained
    assert "Traceback" not in told + complained
    assert "verified" in told
    events = [json.loads(line) for line in exported.read_text().splitlines()]
    assert len(events) > 50
    assert [(event["message"], violations(event)) for event in events if violations(event)] == []
    assert bundle.stat().st_size > 0
    assert receipts.stat().st_size > 0
    assert traces(place) == []


@contextlib.contextmanager
def demo_under_way(place: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a demo, wait until its site runs, and end it however the test ends."""
    with demo(place) as running:
        try:
            assert running.stdout is not None
            assert any("seen by" in line for line in running.stdout)
            yield running
        finally:
            running.kill()


@pytest.mark.timeout(120)
def test_an_interrupted_demo_leaves_nothing(place: Path) -> None:
    with demo_under_way(place) as running:
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0
    assert traces(place) == []


@pytest.mark.timeout(120)
def test_clean_removes_what_a_killed_demo_left(place: Path) -> None:
    with demo_under_way(place) as running:
        running.kill()
    assert traces(place) != []
    with demo(place, "--clean") as cleaning:
        cleaning.communicate()
    assert cleaning.returncode == 0
    while traces(place):  # the test's own time limit ends what never goes
        time.sleep(0.1)
