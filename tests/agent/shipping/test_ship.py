from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.settings import Spool
from agent.shipping import certificate_life, renewal
from agent.shipping.renewer import Renewer
from agent.shipping.ship import BACKLOG_RATE, LEFT_UNREAD, RESEND
from agent.spool.disk import LocalDisk
from agent.spool.outgoing import Outgoing
from evidence.refusal import Code
from tests.agent.enrolled import LIMITS, Agent, collector_settings, enrolled
from tests.agent.fake_collector import Ca, FakeCollector, Refuse, running


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[FakeCollector]:
    with running(FakeCollector(), tmp_path) as found:
        yield found


@pytest.fixture
def agent(collector: FakeCollector, tmp_path: Path) -> Iterator[Agent]:
    made = Agent(collector, enrolled(collector, tmp_path / "state"))
    yield made
    made.channel.close()


def refusing(collector: FakeCollector, code: Code, retry_after: int | None = None) -> None:
    def refuse() -> None:
        raise Refuse(code, retry_after)

    collector.before = refuse


def test_what_is_appended_arrives_and_its_receipts_are_verified(agent: Agent) -> None:
    for at in range(30):
        agent.append("priority" if at % 2 else "bulk")
    agent.ship()
    assert len(agent.collector.batches) == 30
    assert agent.take() == 30
    assert agent.outbox.waiting == 0
    assert agent.outbox.seen is not None
    assert agent.outbox.seen.size == agent.collector.log.tree.size
    agent.append()
    agent.ship()
    assert agent.take() == 1


def test_priority_goes_before_bulk_and_each_lane_oldest_first(agent: Agent) -> None:
    for _ in range(3):
        agent.append("bulk")
    for _ in range(3):
        agent.append("priority")
    agent.ship()
    assert agent.collector.posts == [("priority", n) for n in (1, 2, 3)] + [("bulk", n) for n in (1, 2, 3)]


def test_a_backlog_of_bulk_is_rate_limited_and_priority_overtakes_it(agent: Agent) -> None:
    for _ in range(60):
        agent.append("bulk")
    wait = agent.ship()
    assert 0 < wait <= 1 / BACKLOG_RATE
    sent = len(agent.collector.posts)
    assert sent < 60
    agent.append("priority")
    agent.ship()
    assert agent.collector.posts[sent] == ("priority", 1)


def test_a_refusing_collector_is_asked_ever_more_rarely_and_nothing_is_lost(agent: Agent) -> None:
    batch = agent.append()
    refusing(agent.collector, Code.OVERLOADED)
    waits = []
    for _ in range(12):
        start = agent.now
        agent.now = agent.shipper._blocked_until  # noqa: SLF001 - the moment it may go on
        waits.append(agent.now - start)
        agent.ship()
    assert waits[1:] == sorted(waits[1:])
    assert waits[-1] > 100
    assert agent.shipper.state.refused == {"overloaded": 12}
    agent.collector.before = None
    agent.now += 1000
    agent.ship()
    assert agent.collector.batches["priority", 1] == (batch.envelope, batch.data)
    assert agent.shipper.state.problem is None


def test_retry_after_is_obeyed(agent: Agent) -> None:
    agent.append()
    refusing(agent.collector, Code.RATE_LIMITED, 77)
    agent.ship()
    agent.collector.before = None
    agent.now += 76
    agent.ship()
    assert agent.collector.batches == {}
    agent.now += 2
    agent.ship()
    assert len(agent.collector.batches) == 1


def test_a_revoked_agent_stops_and_says_so(agent: Agent) -> None:
    agent.append()
    refusing(agent.collector, Code.REVOKED)
    agent.ship()
    assert agent.shipper.state.stopped
    assert agent.shipper.state.problem == "revoked: because"
    agent.now += 200
    agent.ship()
    assert agent.shipper.state.refused == {"revoked": 1}


def test_one_rejected_batch_does_not_stop_the_others(agent: Agent) -> None:
    agent.append()
    refusing(agent.collector, Code.BAD_STATEMENT)
    agent.ship()
    agent.collector.before = None
    agent.append()
    agent.ship()
    assert list(agent.collector.batches) == [("priority", 2)]


def test_a_statement_without_its_data_waits_for_the_one_that_says_so(agent: Agent) -> None:
    agent.limits = Spool(max_bytes=60_000, free_floor_bytes=1, segment_bytes=512)
    agent.open_outbox()
    for _ in range(20):
        agent.append("bulk", size=900)
    agent.ship()
    agent.take()
    agent.limits = LIMITS
    agent.open_outbox()
    agent.append("priority")
    assert agent.outbox.dropped() == ()
    for _ in range(40):
        agent.ship()
        agent.take()
        agent.now += 30
    assert ("bulk", 1) in agent.collector.batches
    assert agent.collector.batches["bulk", 1][1] == b""
    assert len(agent.collector.batches) == 21
    assert agent.outbox.waiting == 0
    assert agent.shipper.state.refused["data_missing"] >= 1


def test_a_lying_receipt_deletes_nothing_and_the_batch_is_sent_again(agent: Agent) -> None:
    agent.append()
    agent.collector.lie = lambda text: text.replace('"index":', '"index":1')
    agent.ship()
    assert agent.take() == 0
    assert agent.outbox.waiting == 1
    agent.collector.lie = None
    agent.now += RESEND + 1
    agent.ship()
    assert agent.take() == 1


def test_after_a_restart_of_ship_only_what_is_not_acknowledged_is_sent(agent: Agent) -> None:
    for _ in range(5):
        agent.append()
    agent.ship()
    agent.take()
    agent.append()
    agent.start_ship()
    agent.collector.posts.clear()
    agent.ship()
    assert agent.collector.posts == [("priority", 6)]
    assert agent.take() == 1


def test_after_a_restart_ship_first_lets_watch_read_what_was_delivered(agent: Agent) -> None:
    agent.append()
    agent.ship()
    agent.start_ship()
    agent.append()
    assert agent.ship() > 0
    assert agent.collector.posts == [("priority", 1)]
    assert agent.take() == 1
    agent.ship()
    assert agent.collector.posts == [("priority", 1), ("priority", 2)]
    assert agent.take() == 1


def test_a_watch_that_does_not_come_does_not_hold_up_delivery(agent: Agent) -> None:
    agent.append()
    agent.ship()
    agent.start_ship()
    agent.append()
    agent.ship()
    agent.now += LEFT_UNREAD
    agent.ship()
    assert agent.collector.posts[-1] == ("priority", 2)


def test_an_empty_inbox_means_that_progress_is_told(agent: Agent) -> None:
    """What ship reads between watch's two steps must be new: else its next receipt is stale."""
    agent.append()
    agent.ship()
    told: list[bool] = []

    class Watching(LocalDisk):
        def remove(self, path: Path) -> None:
            outgoing = Outgoing(agent.layout.spool, agent.identity.spool_key, LocalDisk())
            if path.parent == agent.layout.inbox:
                outgoing.refresh()
                told.append(outgoing.progress.acked("priority").covers(1))
            super().remove(path)

    agent.open_outbox(Watching())
    assert agent.take() == 1
    assert told == [True]


def test_after_a_restart_of_watch_receipts_still_verify(agent: Agent) -> None:
    for _ in range(5):
        agent.append()
    agent.ship()
    agent.open_outbox()
    assert agent.take() == 5
    agent.append()
    agent.ship()
    agent.open_outbox()
    assert agent.take() == 1
    assert agent.outbox.waiting == 0


def test_a_collector_of_another_ca_gets_nothing(agent: Agent, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with running(FakeCollector(ca=Ca("Other CA")), tmp_path / "other") as other:
        agent.collector = other
        agent.start_ship()
        agent.append()
        agent.ship()
        assert other.posts == []
        assert "certificate verify failed" in (agent.shipper.state.problem or "")


def test_the_environment_cannot_replace_the_pinned_bundle(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text(Ca().pem)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(wrong))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    agent.append()
    agent.ship()
    assert len(agent.collector.batches) == 1


def test_nothing_waiting_means_sleep(agent: Agent) -> None:
    assert agent.ship() >= 1
    assert agent.collector.posts == []


def renewer(agent: Agent, now: list[float]) -> Renewer:
    return Renewer(
        agent.layout,
        collector_settings(agent.collector),
        agent.channel,
        shared=LocalDisk(),
        secret=LocalDisk(0o600),
        clock=lambda: now[0],
    )


def test_a_certificate_is_renewed_at_two_thirds_without_a_restart(agent: Agent) -> None:
    before = agent.layout.certificate.read_bytes()
    life = certificate_life.life(agent.layout.certificate)
    now = [life.begins + (life.ends - life.begins) * 0.6]
    part = renewer(agent, now)
    part.tick()
    assert agent.layout.certificate.read_bytes() == before
    now[0] = life.begins + (life.ends - life.begins) * 0.7
    part.tick()
    assert part.problem is None
    assert agent.layout.certificate.read_bytes() != before
    agent.append()
    agent.ship()
    assert len(agent.collector.batches) == 1


def test_an_expired_certificate_is_renewed_by_the_host_key(agent: Agent) -> None:
    before = agent.layout.certificate.read_bytes()
    now = [certificate_life.life(agent.layout.certificate).ends + 1]
    part = renewer(agent, now)
    part.tick()
    assert renewal.answer(LocalDisk(), agent.layout, agent.identity)
    assert not renewal.answer(LocalDisk(), agent.layout, agent.identity)
    now[0] += 2
    part.tick()
    assert part.problem is None
    assert agent.layout.certificate.read_bytes() != before


def test_a_renewal_that_watch_does_not_sign_is_said(agent: Agent) -> None:
    now = [certificate_life.life(agent.layout.certificate).ends + 1]
    part = renewer(agent, now)
    part.tick()
    now[0] += 100
    part.tick()
    assert "watch did not sign" in (part.problem or "")


@pytest.mark.parametrize(("left", "warned"), [(31, None), (29, 30), (6, 7), (0.5, 1), (-1, 1)])
def test_a_late_renewal_warns_at_thirty_seven_and_one_days(left: float, warned: int | None) -> None:
    life = certificate_life.Life(0.0, 365 * 86_400.0)
    assert life.warning(life.ends - left * 86_400) == warned


def test_nonsense_in_the_inbox_is_not_signed(agent: Agent) -> None:
    for raw in (b"{", b'{"nonce":1}', b"\xff" * 40_000):
        (agent.layout.inbox / renewal.FILE).write_bytes(raw)
        assert not renewal.answer(LocalDisk(), agent.layout, agent.identity)
