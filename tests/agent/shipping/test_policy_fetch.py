"""Ship fetches and hands over what a collector offers, whatever that is, and asks no more than it should."""

from __future__ import annotations

import hashlib
from pathlib import Path

from agent.shipping.policy_fetch import PolicyFetcher
from agent.spool.disk import LocalDisk
from evidence.policy import BUNDLE_LIMIT
from tests.agent.policy_offers import Collector


def fetcher(folder: Path, collector: Collector, every: float | None = 60.0) -> PolicyFetcher:
    return PolicyFetcher(folder / "policy", collector.get, LocalDisk(), every=every, chance=lambda: 0.5)


def test_what_is_offered_is_handed_over_once(tmp_path: Path) -> None:
    collector = Collector()
    ship = fetcher(tmp_path, collector)
    assert ship.tick(0.0) == 60.0
    assert not (tmp_path / "policy").exists()
    collector.offered = b"anything at all\n"
    assert ship.tick(59.0) == 1.0
    ship.tick(60.0)
    assert (tmp_path / "policy").read_bytes() == collector.offered
    stamp = (tmp_path / "policy").stat()
    ship.tick(120.0)
    assert (tmp_path / "policy").stat() == stamp
    assert len(collector.asked) == 3
    assert fetcher(tmp_path, collector).tick(0.0) == 60.0
    assert collector.asked[-1] == hashlib.sha256(collector.offered).hexdigest()


def test_what_is_no_answer_changes_nothing(tmp_path: Path) -> None:
    collector = Collector()
    ship = fetcher(tmp_path, collector)
    collector.offered = b"x" * (BUNDLE_LIMIT + 1)
    ship.tick(0.0)
    collector.offered = b"a refusal"
    for at, status in enumerate((404, 403, 503, None), start=1):
        collector.status = status
        ship.tick(at * 60.0)
    assert not (tmp_path / "policy").exists()


def test_a_host_that_wants_none_asks_for_none(tmp_path: Path) -> None:
    collector = Collector()
    fetcher(tmp_path, collector, every=None).tick(0.0)
    assert collector.asked == []
