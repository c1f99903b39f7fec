"""Who is offered which policy: by label and by share, never back, and with the keys on the way."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from collector.policy import rollout
from collector.policy.rollout import ROLL_OUT, STAGE, Decision, Offer
from evidence import policy
from evidence.event import stamp
from evidence.keys import PrivateKey
from evidence.kinds.collector import Act
from evidence.policy import Policy
from evidence.policy_settings import PolicySettings

KEY, NEXT = PrivateKey(b"\x01" * 32), PrivateKey(b"\x02" * 32)
HOSTS = [secrets.token_hex(16) for _ in range(400)]


def signed(version: int, key: PrivateKey = KEY, **more: object) -> str:
    times = {"issued": version, "from_": version, "until": 9_000}
    made = Policy(name="fleet", version=version, settings=PolicySettings(), **times, **more)  # type: ignore[arg-type]
    return policy.sign(made, key).decode()


def decided(document: str, time: int, percent: int = 100, **labels: str) -> Decision:
    verb = STAGE if labels or percent < 100 else ROLL_OUT
    return Decision(verb, "ann", time, "why", document, KEY.public.hex(), labels, percent)


def version(every: Iterable[Offer], agent: str = "a", **labels: str) -> int | None:
    found = rollout.offered(tuple(every), agent, labels)
    return found.policy.version if found is not None else None


def test_a_decision_is_an_act_and_an_act_is_the_decision() -> None:
    made = decided(signed(4), 77, percent=10, role="web")
    act = Act(user="ann", verb=made.verb, object="fleet", reason="why", detail=rollout.detail(made))
    assert rollout.change(stamp(act, seq=1, time=77, mono=1)) == made
    assert (act.detail or {})["version"] == "4"
    assert rollout.change(stamp(Act(user="ann", verb="query"), seq=1, time=77, mono=1)) is None


def test_a_stage_is_for_those_with_the_labels_and_the_roll_out_for_all() -> None:
    every = rollout.offers([decided(signed(1), 1), decided(signed(2), 2, role="web")])
    assert (version(every, role="web"), version(every, role="db")) == (2, 1)
    every = rollout.offers([decided(signed(1), 1), decided(signed(2), 2, role="web"), decided(signed(2), 3)])
    assert version(every, role="db") == 2


def test_a_document_is_offered_only_where_its_own_selector_fits() -> None:
    every = rollout.offers([decided(signed(1, selector={"role": "web"}), 1)])
    assert (version(every, role="web"), version(every, role="db"), version(every)) == (1, None, None)


@given(st.integers(0, 100), st.integers(0, 100))
def test_a_larger_share_holds_the_smaller_one(first: int, second: int) -> None:
    def chosen(percent: int) -> set[str]:
        every = rollout.offers([decided(signed(1), 1, percent=percent)])
        return {agent for agent in HOSTS[:60] if version(every, agent) == 1}

    small, large = sorted((first, second))
    assert chosen(small) <= chosen(large)
    assert chosen(100) == set(HOSTS[:60])
    assert chosen(0) == set()


def test_a_share_is_about_what_it_says() -> None:
    every = rollout.offers([decided(signed(1), 1, percent=25)])
    assert 50 < sum(version(every, agent) == 1 for agent in HOSTS) < 150


def test_who_had_a_newer_one_is_offered_no_older_one() -> None:
    every = rollout.offers(
        [decided(signed(1), 1), decided(signed(2), 2, role="web"), decided(signed(2), 3, percent=0)]
    )
    assert (version(every, role="web"), version(every, role="db")) == (None, 1)


def test_documents_that_name_the_next_key_go_first() -> None:
    turned = signed(2, next_key=NEXT.public.hex())
    every = rollout.offers([decided(signed(1), 1), decided(turned, 2), decided(signed(3, NEXT), 3)])
    raw = rollout.handed(every, every[-1])
    assert raw == policy.bundle((turned.encode(), signed(3, NEXT).encode()))
    assert rollout.trusted(every) == {KEY.public.hex(), NEXT.public.hex()}
    assert rollout.handed(every, every[0]) == policy.bundle((signed(1).encode(),))
