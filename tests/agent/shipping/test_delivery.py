from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.shipping import delivery
from agent.shipping.delivery import Outcome, Reply
from evidence.refusal import RETRY, STATUS, Code, Refusal

chances = st.floats(0, 1, exclude_max=True)


def refused(code: Code, retry_after: float | None = None) -> Reply:
    return Reply(STATUS[code], msgspec.json.encode(Refusal(code, "because")), retry_after)


def test_every_code_of_the_wire_has_an_outcome() -> None:
    assert set(delivery.OUTCOMES) == set(Code)


def test_codes_that_may_succeed_later_are_never_given_up() -> None:
    assert {delivery.OUTCOMES[code] for code in RETRY} == {Outcome.RETRY, Outcome.ASIDE}


@pytest.mark.parametrize("code", [Code.REVOKED, Code.UNKNOWN_AGENT, Code.NOT_THIS_AGENT])
def test_a_refused_identity_stops_everything_and_says_why(code: Code) -> None:
    decision = delivery.decide(refused(code), 0, 0.5)
    assert decision.outcome is Outcome.STOPPED
    assert decision.problem == f"{code.value}: because"
    assert decision.delay >= delivery.STOPPED_DELAY / 2


@given(st.integers(0, 10_000), chances)
def test_backoff_is_jittered_over_its_whole_range_and_capped(failures: int, chance: float) -> None:
    delay = delivery.backoff(failures, chance)
    assert 0 <= delay <= delivery.CAP
    assert delay == pytest.approx(chance * min(delivery.CAP, delivery.BASE * 2.0 ** min(failures, 30)))


@given(st.integers(0, 40), chances, st.floats(0, 3600))
def test_retry_after_is_the_least_delay_and_jitter_comes_on_top(
    failures: int, chance: float, asked: float
) -> None:
    decision = delivery.decide(refused(Code.OVERLOADED, asked), failures, chance)
    assert decision.outcome is Outcome.RETRY
    assert asked <= decision.delay <= asked + delivery.CAP


def test_a_retry_after_of_days_is_not_obeyed() -> None:
    assert delivery.backoff(0, 0.0, 1e9) == delivery.ASKED_CAP


@given(st.one_of(st.none(), st.integers(100, 599)), st.binary(max_size=60), st.integers(0, 100), chances)
def test_no_answer_makes_it_fail_or_lose(
    status: int | None, body: bytes, failures: int, chance: float
) -> None:
    decision = delivery.decide(Reply(status, body), failures, chance)
    assert (decision.outcome is Outcome.DELIVERED) == (status == 200)
    assert decision.outcome is Outcome.DELIVERED or decision.problem


@given(st.text(max_size=40))
def test_retry_after_takes_seconds_and_nothing_else(text: str) -> None:
    found = delivery.retry_after(text)
    assert found is None or found == float(text.strip()[:9])


def test_retry_after_reads_a_number() -> None:
    assert delivery.retry_after(" 12 ") == 12.0
    assert delivery.retry_after("Wed, 21 Oct 2026 07:28:00 GMT") is None
    assert delivery.retry_after("-1") is None


def test_a_batch_that_waits_for_another_is_not_held_up_by_the_outage_before_it() -> None:
    after_an_outage = delivery.decide(refused(Code.DATA_MISSING), 9, 1.0)
    assert after_an_outage.delay == delivery.decide(refused(Code.DATA_MISSING), 0, 1.0).delay
    assert delivery.decide(refused(Code.DATA_MISSING), 0, 1.0, tries=3).delay > after_an_outage.delay
