"""What ship may expect of whoever offers policies: the collector, and the one that stands for it in tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest

from agent.shipping.delivery import Reply
from agent.shipping.policy_fetch import PolicyFetcher
from agent.spool.disk import LocalDisk
from collector.enrolment import roll
from collector.policy import policies, rollout
from collector.policy.rollout import ROLL_OUT, Decision
from evidence import policy
from evidence.keys import PrivateKey
from evidence.kinds.collector import Act
from evidence.policy import Policy
from evidence.policy_settings import PolicySettings
from tests.agent.policy_offers import Collector
from tests.collector.front import Front
from tests.collector.station import Station

KEY = PrivateKey(b"\x01" * 32)


def signed(version: int) -> bytes:
    made = Policy(
        name="fleet", version=version, issued=version, from_=version, until=9_000, settings=PolicySettings()
    )
    return policy.sign(made, KEY)


class Offering(Protocol):
    """Somebody who offers."""

    def offer(self, envelope: bytes) -> None:
        """Offer one policy from now on."""
        ...

    def get(self, path: str, headers: dict[str, str]) -> Reply:
        """Answer ship."""
        ...


class Standing(Collector):
    """The one that stands for a collector."""

    def offer(self, envelope: bytes) -> None:
        self.offer_bytes(policy.bundle((envelope,)))


class Real:
    """The collector's own application over a real ledger, asked without the network."""

    def __init__(self, root: Path) -> None:
        self.station = Station(root / "state")
        with closing(self.station.keeper()) as keeper:
            self.host = self.station.enrol(keeper, root)
        roll.enrolments(self.station.paths)

    def offer(self, envelope: bytes) -> None:
        made = Decision(ROLL_OUT, "ann", 0, "why", envelope.decode(), KEY.public.hex(), {}, 100)
        act = Act(user="ann", verb=ROLL_OUT, object="fleet", reason="why", detail=rollout.detail(made))
        with closing(self.station.keeper()) as keeper:
            keeper.record(act)
        policies.known(self.station.paths)

    def get(self, path: str, headers: dict[str, str]) -> Reply:
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        with closing(self.station.keeper()) as keeper:
            asked = Front(self.station, keeper).ask("GET", path, agent=self.host.agent, headers=raw)
            answer = asyncio.run(asked)
        return Reply(answer.status, answer.body)


@pytest.fixture(params=[Real, lambda _root: Standing()], ids=["collector", "stand-in"])
def offering(request: pytest.FixtureRequest, tmp_path: Path) -> Offering:
    make: Callable[[Path], Offering] = request.param
    return make(tmp_path)


def test_each_offer_is_handed_over_once_and_exactly(offering: Offering, tmp_path: Path) -> None:
    handed = tmp_path / "policy"

    def fetcher() -> PolicyFetcher:
        return PolicyFetcher(handed, offering.get, LocalDisk(), every=1.0, chance=lambda: 0.5)

    ship = fetcher()
    ship.tick(0.0)
    assert not handed.exists()
    for number in (1, 2):
        offering.offer(signed(number))
        ship.tick(10.0 * number)
        assert handed.read_bytes() == policy.bundle((signed(number),))
        stamp = handed.stat()
        ship.tick(10.0 * number + 5)
        fetcher().tick(0.0)
        assert handed.stat() == stamp
