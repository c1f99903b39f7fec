"""Which policies a host takes: only forward, only of its keys, only what is meant for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.policy import policy_rules
from agent.policy.policy_rules import Refusal, Taken, Trust, Wait
from evidence import policy
from evidence.errors import EvidenceError
from tests.agent.policies import DAY, KEY, NEXT, NOW, OTHER, SECOND, document, signed

PINNED = policy_rules.pin(KEY.public)


def take(raw: bytes, trust: Trust = PINNED, now: int = NOW) -> Taken:
    found = policy_rules.judge(raw, trust, None, {}, now)
    assert isinstance(found, Taken), found
    return found


def ground(raw: bytes, trust: Trust = PINNED, labels: dict[str, str] | None = None) -> str:
    found = policy_rules.judge(raw, trust, None, labels or {}, NOW)
    assert isinstance(found, Refusal), found
    return found.ground


def test_a_policy_of_the_pinned_key_is_taken_and_is_news_only_once() -> None:
    raw = signed(document())
    taken = take(raw)
    assert taken.policy == document()
    assert policy_rules.judge(raw, taken.trust, taken.envelope, {}, NOW) == Wait()
    assert policy_rules.again(taken.envelope, taken.trust) == document()


def test_nothing_leads_back() -> None:
    taken = take(signed(document(7)))
    assert ground(signed(document(6)), taken.trust) == "older"
    assert ground(signed(document(7, note="another")), taken.trust) == "contradicts"
    assert ground(signed(document(8, issued=document(7).issued)), taken.trust) == "older"
    before = document(900, name="build", issued=document(6).issued)
    assert ground(signed(before), taken.trust) == "older"
    assert take(signed(document(8)), taken.trust).policy.version == 8
    assert take(signed(document(1, name="build", issued=NOW, from_=NOW)), taken.trust).policy.name == "build"


def test_what_was_taken_last_may_be_taken_up_again_after_a_loss() -> None:
    taken = take(signed(document(7)))
    assert take(signed(document(7)), taken.trust).trust == taken.trust


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (signed(document(), key=OTHER), "another key"),
        (signed(document(until=NOW)), "expired"),
        (signed(document(selector={"role": "web"})), "not for this host"),
        (b"", "not canonical"),
        (b"{}\n", "not canonical"),
        (b"x" * (policy.BUNDLE_LIMIT + 1), "too large"),
        (b"x" * (policy.POLICY_LIMIT + 1) + b"\n", "too large"),
        (b"\n" * (policy.CHAIN_LIMIT + 1), "too large"),
    ],
)
def test_each_refusal_has_its_ground(raw: bytes, said: str) -> None:
    assert ground(raw) == said


def test_an_altered_signature_is_told_apart() -> None:
    raw = signed(document())
    at = raw.index(b'"sig":"') + 12
    assert ground(raw[:at] + (b"A" if raw[at : at + 1] != b"A" else b"B") + raw[at + 1 :]) == "bad signature"


def test_labels_must_all_fit() -> None:
    raw = signed(document(selector={"role": "web", "env": "prod"}))
    assert ground(raw, labels={"role": "web"}) == "not for this host"
    fits = policy_rules.judge(raw, PINNED, None, {"role": "web", "env": "prod", "x": "y"}, NOW)
    assert isinstance(fits, Taken)


def test_one_that_begins_later_waits_until_then() -> None:
    raw = signed(document(from_=NOW + 5))
    assert policy_rules.judge(raw, PINNED, None, {}, NOW) == Wait(NOW + 5)
    assert take(raw, now=NOW + 5).policy.from_ == NOW + 5


def test_a_policy_hands_over_to_the_next_key() -> None:
    rotation = document(3, next_key=NEXT.public.hex())
    after = take(signed(rotation)).trust
    assert ground(signed(document(4)), after) == "another key"
    assert take(signed(document(4), key=NEXT), after).policy.version == 4


def test_a_host_that_slept_follows_the_keys_though_their_documents_have_ended() -> None:
    rotation = document(3, next_key=NEXT.public.hex(), until=NOW - SECOND, selector={"no": "host"})
    raw = signed(rotation) + signed(document(4), key=NEXT)
    taken = take(raw)
    assert (taken.policy.version, taken.trust.key) == (4, NEXT.public.hex())
    again = raw.splitlines()[0] + b"\n" + signed(document(5), key=NEXT)
    assert take(again, taken.trust).policy.version == 5


def test_no_link_of_another_key_leads_on() -> None:
    forged = signed(document(3, next_key=OTHER.public.hex()), key=OTHER)
    assert ground(forged + signed(document(4), key=OTHER)) == "another key"


def test_what_was_kept_is_verified_again() -> None:
    taken = take(signed(document()))
    with pytest.raises(EvidenceError):
        policy_rules.again(signed(document(2)).strip(), taken.trust)
    with pytest.raises(EvidenceError):
        policy_rules.again(taken.envelope[:-1], taken.trust)


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["a", "b"]), st.integers(1, 99)), max_size=12))
def test_in_any_order_versions_and_times_only_grow(offers: list[tuple[int, str, int]]) -> None:
    trust, seen = PINNED, []
    for version, name, age in offers:
        issued = NOW - DAY + age
        raw = signed(document(version, name=name, issued=issued, from_=issued))
        found = policy_rules.judge(raw, trust, None, {}, NOW)
        if isinstance(found, Taken):
            trust = found.trust
            seen.append((name, version, issued, found.digest))
    fresh = [one for at, one in enumerate(seen) if at == 0 or one[3] != seen[at - 1][3]]
    assert [one[2] for one in fresh] == sorted({one[2] for one in fresh})
    for name in ("a", "b"):
        versions = [one[1] for one in fresh if one[0] == name]
        assert versions == sorted(set(versions))


@given(st.binary(max_size=300), st.integers(0, 10**6))
def test_no_bytes_end_the_judging(noise: bytes, at: int) -> None:
    good = signed(document())
    cut = at % len(good)
    for raw in (noise, noise + b"\n", good[:cut] + noise + good[cut:], good[:cut] + noise):
        found = policy_rules.judge(raw, PINNED, None, {}, NOW)
        if isinstance(found, Taken):
            assert found.envelope + b"\n" == good[-len(found.envelope) - 1 :]
