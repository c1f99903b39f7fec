"""Work in a disposable process: one at a time for each lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.errors import QueryError
from collector.sandbox.disposable import alone


def test_one_works_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / "hunt.lock"
    with alone(lock, "hunt"):
        with pytest.raises(QueryError, match="hunt: another"), alone(lock, "hunt"):
            pass
        with alone(tmp_path / "tune.lock", "tune"):
            pass
    with alone(lock, "hunt"):
        pass
