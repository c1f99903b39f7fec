"""Keys by agent and epoch follow from the ledger's entries; so does who is contested."""

from __future__ import annotations

import msgspec
import pytest

from collector.chains.contest import Contest
from collector.chains.projection import HOLD, Projection
from collector.chains.registry import Registry
from collector.ingest.quota import Quota
from collector.ingest.turned_away import TurnedAway
from evidence import decision, entry
from evidence.decision import Setting
from evidence.enrolment import Record, RevocationRecord
from evidence.entry import EntryType
from evidence.errors import CodecError
from evidence.keys import PrivateKey, key_id

A, B = "a" * 32, "b" * 32


def enrolment(agent: str, epoch: int = 1, key: int = 1) -> bytes:
    record = Record(
        agent=agent,
        epoch=epoch,
        time=1,
        public=PrivateKey(bytes([key]) * 32).public.hex(),
        proof="",
        token="t",
        certificate_sha256="0" * 64,
    )
    return msgspec.json.encode(record)


def revocation(agent: str, epoch: int | None = None) -> bytes:
    return msgspec.json.encode(RevocationRecord(agent=agent, epoch=epoch, time=1, author="x", reason="y"))


def test_an_enrolled_key_speaks_for_its_agent() -> None:
    registry = Registry()
    registry.apply(5, EntryType.ENROLMENT, enrolment(A))
    found = registry.by_key(key_id(PrivateKey(b"\1" * 32).public))
    assert found is not None
    assert (found.agent, found.epoch, found.index, found.revoked_at) == (A, 1, 5, None)
    assert found.anchor == entry.digest(entry.encode(EntryType.ENROLMENT, enrolment(A)))
    assert registry.agents() == (A,)
    assert registry.epochs(B) == ()


def test_revocation_is_by_index_of_one_epoch_or_all() -> None:
    registry = Registry()
    registry.apply(0, EntryType.ENROLMENT, enrolment(A))
    registry.apply(1, EntryType.ROTATION, enrolment(A, 2, 2))
    registry.apply(7, EntryType.REVOCATION, revocation(A, 1))
    assert [epoch.revoked_at for epoch in registry.epochs(A)] == [7, None]
    assert not registry.is_revoked(A)
    registry.apply(9, EntryType.REVOCATION, revocation(A))
    assert [epoch.revoked_at for epoch in registry.epochs(A)] == [7, 9]
    assert registry.is_revoked(A)


@pytest.mark.parametrize(
    ("kind", "payload", "why"),
    [
        (EntryType.ENROLMENT, b"{}", "missing required field"),
        (EntryType.ENROLMENT, b"\xff", "enrolment entry"),
        (EntryType.ENROLMENT, enrolment(A, key=3), "there already"),
        (EntryType.ENROLMENT, enrolment(B), "belongs to an agent already"),
        (EntryType.ENROLMENT, enrolment(A, 2, 3), "comes by the other type"),
        (EntryType.ROTATION, enrolment(B, 1, 3), "comes by the other type"),
        (EntryType.REVOCATION, revocation(B), "never enrolled"),
        (EntryType.REVOCATION, revocation(A, 4), "never enrolled"),
        (EntryType.SETTING, b"{}", "setting entry"),
        (EntryType.RETENTION, b"[]", "retention entry"),
        (EntryType.BATCH, b"", "come sealed"),
        (EntryType.ACT, b"", "come sealed"),
    ],
)
def test_a_wrong_entry_is_refused_before_it_is_appended(kind: EntryType, payload: bytes, why: str) -> None:
    projection = Projection()
    projection.apply(0, EntryType.ENROLMENT, enrolment(A))
    with pytest.raises(CodecError, match=why):
        projection.check(kind, payload)
    assert projection.registry.agents() == (A,)


def setting(name: str, value: str, about: str | None) -> bytes:
    return msgspec.json.encode(Setting(name, value, 1, "ann", "because", about))


def test_a_contest_lasts_until_it_is_decided() -> None:
    contest = Contest()
    contest.equivocated(10, A)
    contest.equivocated(12, A)
    assert [contest.is_contested(A, index) for index in (9, 10, 11)] == [False, False, True]
    assert not contest.is_contested(B, 11)
    contest.apply(EntryType.SETTING, setting("contested", "off", B))
    contest.apply(EntryType.SETTING, setting("other", "off", A))
    assert contest.since(A) == 10
    contest.apply(EntryType.SETTING, setting("contested", "off", A))
    assert contest.since(A) is None


def test_holds_begin_and_end() -> None:
    projection = Projection()
    projection.apply(0, EntryType.SETTING, setting(HOLD, "on", "10-20"))
    projection.apply(1, EntryType.SETTING, setting(HOLD, "off", "15-30"))
    assert list(projection.held) == [(10, 14)]
    for wrong in ("20-10", "a-b", "5", "-1-2", None):
        with pytest.raises(CodecError, match="FIRST-LAST"):
            projection.check(EntryType.SETTING, setting(HOLD, "on", wrong))
    assert decision.index_range("3-3") == (3, 3)


def test_quota_gives_a_minutes_share_and_says_when_there_is_more() -> None:
    quota = Quota(60, 6000)
    assert [quota.take(A, 10, 0.0) for _ in range(60)] == [None] * 60
    assert quota.take(A, 10, 0.0) == pytest.approx(1.0)
    assert quota.take(B, 10, 0.0) is None
    assert quota.take(A, 10, 1.5) is None
    assert quota.take(B, 6000, 0.0) == pytest.approx(0.1, abs=0.01)
    assert quota.take(B, 10**9, 120.0) is None
    assert quota.take(B, 1, 119.0) == pytest.approx(0.01)


def test_what_came_while_it_was_recorded_stays_counted() -> None:
    turned = TurnedAway()
    turned.note(A, b"1")
    (act,) = turned.acts()
    turned.note(A, b"2")
    turned.forget(act)
    (rest,) = turned.acts()
    assert rest.detail is not None
    assert rest.detail["count"] == "1"
    turned.forget(rest)
    assert turned.acts() == []
