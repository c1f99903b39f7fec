"""kill -9 of the real pipeline over a real ledger that grows: each event is stored exactly once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from collector import paths
from collector.cli import main
from collector.lake import generation, snapshot
from collector.ledger.segment import row
from collector.ledger.writer import Ledger
from collector.settings import Settings
from evidence import entry
from evidence.keys import PrivateKey

from .workbench import FakeLedger, some_bodies

ROOT = Path(__file__).parents[3]
ROUNDS = 5
CHILD = """
import sys
from pathlib import Path
from collector.pipeline import pipeline
from collector.analysis import Analysis
from collector.settings import Pipeline, Settings
often = Pipeline(commit_seconds=0.02, commit_rows=60, merge_seconds=0.2, checkpoint_seconds=0.05)
settings = Settings(state=Path(sys.argv[1]), pipeline=often)
pipeline.serve(settings, lambda: Analysis(settings.detection), lambda: print("ready", flush=True))
"""


def start(state: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(state)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def grow(ledger: Ledger, source: FakeLedger, batches: int) -> int:
    """Append batches of three agents, and return how many events they have."""
    count = 0
    for at in range(batches):
        size = 1 + at % 7
        item = source.batch(f"{at % 3:032x}", some_bodies(size))
        ledger.append([row(entry.encode(item.type, item.payload), item.received or 0, item.data or b"")])
        count += size
    return count


def test_killed_at_random_it_resumes_with_each_event_once(tmp_path: Path) -> None:
    places = paths.of(Settings(state=tmp_path))
    ledger = Ledger(places.ledger, PrivateKey(b"\x05" * 32), "test.local/log")
    source, chance, events = FakeLedger(), random.Random(7), 0  # noqa: S311 - when to kill
    for _ in range(ROUNDS):
        child = start(tmp_path)
        events += grow(ledger, source, 40)
        time.sleep(chance.uniform(0, 0.4))
        child.kill()
        assert child.wait() == -signal.SIGKILL
    child = start(tmp_path)
    try:
        while child.poll() is None and snapshot.read(places.snapshot).position < ledger.size:
            time.sleep(0.05)
        child.send_signal(signal.SIGTERM)
        assert child.wait() == 0
    finally:
        child.kill()
    connection = snapshot.connect(snapshot.read(places.snapshot))
    found = connection.execute("SELECT count(*), count(DISTINCT (agent, seq)) FROM events").fetchone()
    assert found == (events, events)
    assert connection.execute("SELECT count(*), sum(stored) FROM batches").fetchone() == (ledger.size, events)
    ledger.close()


def test_the_replay_command_rebuilds_the_lake(tmp_path: Path) -> None:
    config = tmp_path / "collector.toml"
    config.write_text(f'state = "{tmp_path}"\n')
    places = paths.of(Settings(state=tmp_path))
    ledger = Ledger(places.ledger, PrivateKey(b"\x05" * 32), "test.local/log")
    events = grow(ledger, FakeLedger(), 12)
    ledger.close()
    for _ in range(2):
        assert main(["replay", "--config", str(config)]) == 0
        connection = snapshot.connect(snapshot.read(places.snapshot))
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (events,)
    with generation.owned(places.lake):
        assert main(["replay", "--config", str(config)]) == 2
