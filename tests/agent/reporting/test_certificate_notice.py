from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from agent.reporting.certificate_notice import CertificateNotice
from agent.sealing.last_run import LastRun
from agent.spool.inbox import ShipState
from agent.watch import Watch
from evidence.kinds.agent import Certificate
from tests.agent.test_watch import Bench


class Ship:
    """Ship's state, as a test wants it to be."""

    def __init__(self) -> None:
        self.state: ShipState | None = None

    def says(self, days: int | None, until: int = 500) -> None:
        self.state = ShipState(1, certificate_days=days, certificate_until=until)

    def read(self) -> ShipState | None:
        return self.state


@pytest.fixture
def ship() -> Ship:
    return Ship()


def test_each_threshold_is_told_once(ship: Ship, tmp_path: Path) -> None:
    notice = CertificateNotice(ship.read, LastRun(tmp_path))
    assert notice.due() == ()
    ship.says(None)
    assert notice.due() == ()
    for days in (30, 7, 1):
        ship.says(days)
        assert notice.due() == (Certificate(days=days, until=500),)
        assert notice.due() == ()
    ship.says(30)  # a clock that was set back
    assert notice.due() == ()


def test_a_restart_does_not_tell_it_again(ship: Ship, tmp_path: Path) -> None:
    ship.says(7)
    assert CertificateNotice(ship.read, LastRun(tmp_path)).due() == (Certificate(days=7, until=500),)
    assert CertificateNotice(ship.read, LastRun(tmp_path)).due() == ()


def test_a_later_certificate_that_runs_out_is_told(ship: Ship, tmp_path: Path) -> None:
    notice = CertificateNotice(ship.read, LastRun(tmp_path))
    ship.says(1)
    assert notice.due()
    ship.says(30, until=900)
    assert notice.due() == (Certificate(days=30, until=900),)


def test_a_disk_that_keeps_nothing_still_tells_it(ship: Ship, tmp_path: Path) -> None:
    ship.says(7)
    notice = CertificateNotice(ship.read, LastRun(tmp_path / "gone"))
    assert notice.due() == (Certificate(days=7, until=500),)
    assert notice.due() == ()


def test_watch_tells_it_with_priority_at_a_heartbeat(ship: Ship, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    ship.says(7)
    bench.step = lambda turn: "end" if turn == 12 else None
    notices = CertificateNotice(ship.read, LastRun(tmp_path)).due
    Watch(msgspec.structs.replace(bench._parts(), notices=notices)).run()  # noqa: SLF001 - one part is exchanged
    told = [(said.lane, body) for said, bodies in bench.sealed() for body in bodies]
    assert [one for one in told if isinstance(one[1], Certificate)] == [
        ("priority", Certificate(days=7, until=500))
    ]
