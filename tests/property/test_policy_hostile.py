"""Whatever bytes are offered as a policy: what the key signed is read back, all else is refused by name."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence import dsse, policy
from evidence.errors import EvidenceError
from evidence.keys import PrivateKey
from evidence.policy import POLICY_LIMIT, POLICY_TYPE, Policy
from evidence.policy_settings import File, Filtered, HostState, Ignore, PolicySettings

SIGNER = PrivateKey(b"\x07" * 32)
LABELS = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=8)
UIDS = st.integers(1, 2**31).map(lambda first: (first, first + 50))
PATHS = st.text("abcdefghijkl", min_size=1, max_size=9).map(lambda name: f"/srv/data/{name}")
IGNORED = st.builds(
    Ignore,
    programs=st.none() | st.lists(PATHS.map(lambda path: f"{path}/zz"), max_size=3).map(tuple),
    uids=st.none() | st.lists(UIDS, max_size=3).map(tuple),
)
FILES = st.builds(
    File,
    exclude=st.none() | st.lists(PATHS, max_size=3).map(tuple),
    decoys=st.none() | st.lists(PATHS, max_size=3).map(tuple),
    read_window=st.none() | st.floats(1, 600),
)
POLICIES = st.builds(
    Policy,
    name=st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,20}\Z"),
    version=st.integers(1, 2**63 - 1),
    issued=st.integers(0, 10**9),
    from_=st.integers(10**9, 10**18),
    until=st.integers(10**18 + 1, 2**62),
    settings=st.builds(
        PolicySettings,
        heartbeat=st.none() | st.floats(1, 300),
        process=st.none() | st.builds(Filtered, ignore=IGNORED),
        file=st.none() | FILES,
        host_state=st.none() | st.builds(HostState, poll_seconds=st.floats(60, 3600)),
    ),
    selector=st.dictionaries(LABELS, LABELS, max_size=4),
    next_key=st.none() | st.just(SIGNER.public.hex()),
    note=LABELS,
)


@given(POLICIES)
@settings(max_examples=100)
def test_what_is_signed_is_what_is_read(made: Policy) -> None:
    assert policy.verified(policy.sign(made, SIGNER), SIGNER.public) == made


@given(st.binary(max_size=400))
@settings(max_examples=200)
def test_arbitrary_bytes_are_refused_by_name(raw: bytes) -> None:
    for read in (policy.parse, policy.unbundle):
        try:
            found: Any = read(raw)
        except EvidenceError:
            continue
        assert read is policy.unbundle
        assert b"".join(one + b"\n" for one in found) == raw


@given(
    st.binary(max_size=400)
    | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists).map(msgspec.json.encode)
)
@settings(max_examples=150)
def test_a_signed_payload_that_is_no_policy_is_refused_by_name(payload: bytes) -> None:
    envelope = dsse.encode(payload, POLICY_TYPE, SIGNER, POLICY_LIMIT)
    try:
        found = policy.verified(envelope, SIGNER.public)
    except EvidenceError:
        return
    assert policy.encode(found) == payload


@given(POLICIES, st.data())
@settings(max_examples=100)
def test_a_payload_with_a_byte_changed_and_signed_is_in_its_one_form_or_refused(
    made: Policy, data: st.DataObject
) -> None:
    payload = bytearray(policy.encode(made))
    payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    envelope = dsse.encode(bytes(payload), POLICY_TYPE, SIGNER, POLICY_LIMIT)
    try:
        found = policy.verified(envelope, SIGNER.public)
    except EvidenceError:
        return
    assert policy.encode(found) == bytes(payload)
