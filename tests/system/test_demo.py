"""The demo, as a person runs it: right, complete, valid against the schema, and gone without a trace."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evidence.ocsf_schema import violations

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "range.demo"]


def traces() -> list[str]:
    """Return what a demo may have left: its marker, its namespace, its agent's pins, its processes."""
    found = [str(path) for path in [ROOT / ".demo"] if path.exists()]
    if os.geteuid() == 0:
        listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False).stdout
        found += [line for line in listed.splitlines() if "vedette-demo" in line]
        owners = [str(link.readlink()) for link in Path("/sys/fs/bpf/vedette").glob("*/owner")]
        found += [owner for owner in owners if "/vedette-demo-" in owner]
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return found + [line for line in listed.splitlines() if "/vedette-demo-" in line]


@pytest.mark.timeout(240)
def test_the_demo_shows_the_incident_its_proof_and_its_forgery(tmp_path: Path) -> None:
    exported, bundle, receipts = tmp_path / "events.ndjson", tmp_path / "bundle", tmp_path / "receipts"
    files = ["--export", str(exported), "--bundle", str(bundle), "--receipts", str(receipts)]
    done = subprocess.run(
        [*DEMO, "--once", "--tamper", *files], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "verified" in done.stdout
    events = [json.loads(line) for line in exported.read_text().splitlines()]
    assert len(events) > 50
    assert [(event["message"], violations(event)) for event in events if violations(event)] == []
    assert bundle.stat().st_size > 0
    assert receipts.stat().st_size > 0
    assert traces() == []


@contextlib.contextmanager
def demo_under_way() -> Iterator[subprocess.Popen[str]]:
    """Start a demo, wait until its site runs, and end it however the test ends."""
    with subprocess.Popen(DEMO, cwd=ROOT, stdout=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stdout is not None
            assert any("seen by" in line for line in demo.stdout)
            yield demo
        finally:
            demo.kill()


@pytest.mark.timeout(120)
def test_an_interrupted_demo_leaves_nothing() -> None:
    with demo_under_way() as demo:
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 0
    assert traces() == []


@pytest.mark.timeout(120)
def test_clean_removes_what_a_killed_demo_left() -> None:
    with demo_under_way() as demo:
        demo.kill()
    assert traces() != []
    subprocess.run([*DEMO, "--clean"], cwd=ROOT, check=True)
    end = time.monotonic() + 10
    while traces() and time.monotonic() < end:
        time.sleep(0.1)
    assert traces() == []
