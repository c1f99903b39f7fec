"""The keeper: one job at a time in its thread, its end seen by a selector."""

from __future__ import annotations

import select
import threading

import pytest

from agent.sealing.keeper import Keeper


def test_a_job_runs_elsewhere_and_its_end_is_readable() -> None:
    keeper: Keeper[int] = Keeper()
    keeper.give(threading.get_ident, 5)
    assert keeper.since == 5
    assert select.select([keeper.fileno()], [], [], 10)[0]
    keeper.drain()
    result = keeper.result()
    assert result not in (None, threading.get_ident())
    assert keeper.idle
    assert not select.select([keeper.fileno()], [], [], 0)[0]
    keeper.close()


def test_a_stuck_job_blocks_nobody() -> None:
    keeper: Keeper[int] = Keeper()
    released = threading.Event()
    keeper.give(lambda: int(released.wait(30)), 7)
    assert keeper.result() is None
    assert not keeper.idle
    with pytest.raises(RuntimeError):
        keeper.give(lambda: 2, 8)
    released.set()
    assert keeper.result(timeout=10) == 1
    keeper.close()
