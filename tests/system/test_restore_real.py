"""A collector is lost and restored from a backup: the agent goes on, and what is gone is named exactly."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collector.audit.bundler import Bundler
from collector.chains.projection import open_statement
from collector.lake import snapshot
from collector.ledger.reader import LedgerReader
from collector.ledger_access import log_name
from collector.paths import Paths
from evidence import audit, host_receipts
from evidence import bundle as bundles
from evidence.entry import EntryType
from evidence.report import Report
from tests.system.agent_at_work import ROOT
from tests.system.test_agent_collector import Pair, enrol, pair, until

__all__ = ["pair"]
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="the agent's sensors need root"),
]


def work(found: Pair, mark: str) -> None:
    """Run commands until some are sealed in both lanes, and all that was sealed is acknowledged."""
    before = found.heads()

    def sealed() -> bool:
        subprocess.run(["/bin/true", mark], check=True)
        now = found.heads()
        return all(now[lane] >= before[lane] + 2 for lane in ("priority", "bulk"))

    until(f"{mark} is sealed", sealed)
    until(f"{mark} is acknowledged", found.flushed)


def acknowledged(found: Pair) -> set[tuple[str, int]]:
    return {(each.lane, each.seq) for each in found.receipts().receipts}


def in_ledger(found: Pair, agent: str) -> set[tuple[str, int]]:
    reader = LedgerReader(found.folder / "collector" / "ledger")
    try:
        said = [open_statement(item.payload)[0] for item in reader.entries() if item.type is EntryType.BATCH]
    finally:
        reader.close()
    return {(one.lane, one.seq) for one in said if one.agent == agent}


def bundle(found: Pair, begin: int) -> Path:
    """Write a bundle of all hosts since begin, once the store has taken in what the ledger has."""
    paths = Paths(found.folder / "collector")
    key = (paths.ledger / "vkey").read_text().strip()
    until("the store is made anew", lambda: snapshot.read(paths.snapshot).position > 0)
    out = found.folder / "bundle"
    out.write_bytes(b"".join(Bundler(paths, key, time.time_ns, 60.0)((), begin, time.time_ns())))
    return out


def verified(file: Path, *trust: Path) -> tuple[int, Report, str]:
    words = [word for path in trust for word in ("--trust", str(path))]
    line = [sys.executable, "-m", "client.cli", "verify", str(file), *words]
    shown = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    trusted = [host for path in trust for host in host_receipts.decode(path.read_bytes())]
    return shown.returncode, audit.audit(bundles.read(file.read_bytes()), trusted), shown.stdout


def test_what_a_restore_lost_is_named_and_all_else_verifies(pair: Pair) -> None:
    begin = time.time_ns()
    enrol(pair)
    pair.agent = pair.start("agent", "run")
    work(pair, "before")
    paths = Paths(pair.folder / "collector")
    file = pair.folder / "backup"
    made = pair.command("collector", "backup", "--to", str(file))
    assert made.returncode == 0, made.stderr
    assert file.stat().st_mode & 0o777 == 0o600

    work(pair, "lost")
    pair.stop(pair.agent)  # what was acknowledged goes when the next run begins
    pair.agent = pair.start("agent", "run")
    work(pair, "again")
    agent = pair.receipts().host.agent
    lost_or_kept = acknowledged(pair)
    early = pair.folder / "early.receipts"
    assert pair.command("agent", "receipts", "export", "--out", str(early)).returncode == 0
    pair.stop(pair.collector)
    shutil.rmtree(paths.root)

    restored = pair.command("collector", "restore", "--from", str(file), "--reason", "the disk died")
    assert restored.returncode == 0, restored.stderr
    had = in_ledger(pair, agent)
    pair.start_collector()
    subprocess.run(["/bin/true", "after"], check=True)
    until(
        "the host has heard of it",
        lambda: len(log_name.joins(paths)) == 1 and "restored-" in pair.receipts().host.ledger_key,
    )
    work(pair, "after")

    until("status says so", lambda: "restored from a backup" in pair.command("agent", "status").stdout)
    late = pair.folder / "late.receipts"
    assert pair.command("agent", "receipts", "export", "--out", str(late)).returncode == 0
    gone = lost_or_kept - in_ledger(pair, agent)
    assert gone, "the test must lose something"
    assert lost_or_kept - had - gone, "and something must have been sent again"
    code, report, shown = verified(bundle(pair, begin), late)
    assert (code, report.status, report.problems, report.missing) == (0, "verified", (), ()), shown
    named = {(gap.lane, seq) for gap in report.lost for seq in range(gap.seq, gap.last + 1)}
    assert named == gone
    (one,) = report.restored
    assert (one.reason, one.kept < one.seen) == ("the disk died", True)
    assert "lost when the collector was restored" in shown
    assert "the disk died" in shown
    code, report, shown = verified(pair.folder / "bundle", early)
    assert (report.status, report.problems, report.missing) != ("broken", (), ()), shown
    assert {(gap.lane, seq) for gap in report.lost for seq in range(gap.seq, gap.last + 1)} == gone
    assert pair.command("collector", "fsck").returncode == 0
