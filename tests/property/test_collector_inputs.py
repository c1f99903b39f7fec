from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import duration, settings_file
from collector.enrolment import claim
from collector.enrolment.nonces import LIFETIME, Nonces
from collector.enrolment.throttle import Throttle
from collector.errors import CollectorError, Denied, SettingsError
from collector.state_db import StateDb
from collector.users import Role, Users
from evidence.enrolment import REQUEST_LIMIT
from tests.contract.enrolling import Applicant

NOW = 10**18
TOML = st.text(alphabet='[]{}=.,"\n #abcdefghijklmnoprstuv_0123456789', max_size=200)
KNOWN = st.sampled_from(
    ["state", "origin", "ingest", "console.names", "[ingest.listen]\nport", "[detection.people]\nx"]
)
VALUES = st.sampled_from(
    ["1", '"x"', "[]", "{}", "true", "-1", "1.5", "[1]", '["a"]', "2026-01-01", "{a = 1}"]
)


@given(text=TOML | st.builds("{} = {}\n".format, KNOWN, VALUES))
@settings(max_examples=200, deadline=None)
def test_a_settings_file_is_read_or_refused_with_its_name(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "collector.toml"
        file.write_text(text)
        try:
            read = settings_file.load(file)
        except SettingsError as error:
            assert str(file) in str(error)  # noqa: PT017 - either outcome is right
        else:
            assert settings_file.effective(read)


@given(body=st.binary(max_size=300) | st.binary(min_size=REQUEST_LIMIT, max_size=REQUEST_LIMIT + 2))
@settings(max_examples=100, deadline=None)
def test_noise_is_no_request(body: bytes) -> None:
    for read in (claim.read_enrolment, claim.read_renewal, claim.read_renewal_csr):
        with pytest.raises(CollectorError):
            read(body)


RENEWAL = Applicant(csr="x" * 40).renewal("a" * 32, "nonce")


@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_an_altered_renewal_raises_only_what_it_says(place: float, byte: int) -> None:
    at = int(place * len(RENEWAL))
    with pytest.raises(CollectorError):
        claim.read_renewal(RENEWAL[:at] + bytes([byte]) + RENEWAL[at + 1 :])


@given(
    waits=st.lists(st.integers(0, LIFETIME // 3), max_size=12),
    forged=st.text(max_size=80) | st.binary(max_size=40).map(lambda raw: raw.hex()),
)
@settings(max_examples=100, deadline=None)
def test_a_nonce_is_good_once_and_within_its_time(waits: list[int], forged: str) -> None:
    nonces, now = Nonces(b"k" * 32), NOW
    for wait in waits:
        nonce = nonces.issue(now)
        now += wait
        nonces.use(nonce, now)
        with pytest.raises(Denied, match="used before"):
            nonces.use(nonce, now)
    with pytest.raises(Denied):
        nonces.use(forged, now)
    with pytest.raises(Denied, match="too old"):
        nonces.use(nonces.issue(now), now + LIFETIME + 1)
    with pytest.raises(Denied, match="too old"):
        nonces.use(nonces.issue(now + 1), now)


@given(gaps=st.lists(st.integers(0, 5 * 10**9), min_size=1, max_size=60))
@settings(max_examples=100, deadline=None)
def test_a_throttle_permits_its_rate_and_no_more(gaps: list[int]) -> None:
    throttle, now, permitted = Throttle(per_minute=60, burst=3), 0, 0
    for gap in gaps:
        now += gap
        wait = throttle.wait("source", now)
        if wait:
            now += int(wait * 10**9) + 1000
            assert throttle.wait("source", now) == 0.0
        permitted += 1
    assert permitted <= 3 + now / 10**9 + 1


@given(text=st.text(max_size=12))
@settings(max_examples=200, deadline=None)
def test_a_span_is_positive_or_refused(text: str) -> None:
    try:
        assert duration.nanoseconds(text) > 0
    except argparse.ArgumentTypeError as error:
        assert "12h" in str(error)  # noqa: PT017 - either outcome is right


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Users:
    db = StateDb(tmp_path_factory.mktemp("users") / "state.db")
    db.create()
    made = Users(db, PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    made.add("alice", "a long password", Role.ADMIN, NOW)
    return made


@given(name=st.text(max_size=40), password=st.text(max_size=60), token=st.text(max_size=90))
@settings(max_examples=60, deadline=None)
def test_no_guess_lets_anybody_in(users: Users, name: str, password: str, token: str) -> None:
    assert users.authenticate(name, password) is None
    assert users.check_token(token, NOW) is None
