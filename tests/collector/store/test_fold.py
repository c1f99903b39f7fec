"""The fold: persons, hosts, contested agents, faults of batches and rules; the same from a saved state."""

from __future__ import annotations

import msgspec
import pytest

from collector.alert import Alert
from collector.errors import StoreError
from collector.pipeline.findings import RULE_FAULT, UNDECODABLE
from collector.pipeline.fold import Fold, Folded
from evidence import decision
from evidence.entry import EntryType
from evidence.kinds.agent import Start
from evidence.kinds.process import Exec

from .workbench import FakeLedger, UidEngine, enrol, some_bodies

ALICE, BOB = "a" * 32, "b" * 32


def feed(fold: Fold, ledger: FakeLedger) -> tuple[list[Folded], list[Alert]]:
    stored: list[Folded] = []
    alerts: list[Alert] = []
    for item in ledger.items(fold.position, len(ledger.entries)):
        folded, found = fold.feed(item)
        stored += [] if folded is None else [folded]
        alerts += found
    return stored, alerts


def test_persons_are_filled_in_and_hosts_come_from_enrolment_then_from_the_agent() -> None:
    ledger = FakeLedger()
    enrol(ledger, ALICE, "web-1")
    ledger.batch(ALICE, some_bodies(2))
    ledger.batch(ALICE, [Start(version="1", host="renamed", clean=True)])
    stored, alerts = feed(Fold(UidEngine()), ledger)
    assert [folded.host for folded in stored] == ["web-1", "renamed"]
    assert [person and person.name for person in stored[0].persons] == [None, "uid1000"]
    assert alerts == []


def test_a_batch_that_does_not_decode_is_a_finding_and_stops_nobody_else() -> None:
    ledger = FakeLedger()
    ledger.raw(ALICE, b"", 1, data=b"no zstd")
    ledger.batch(BOB, some_bodies(2))
    ledger.append(EntryType.BATCH, b"no envelope")
    ledger.batch(BOB, some_bodies(1))
    stored, alerts = feed(Fold(UidEngine()), ledger)
    assert [(folded.batch.said.agent, folded.batch.state) for folded in stored] == [
        (ALICE, "undecodable"),
        (BOB, "decoded"),
        (BOB, "decoded"),
    ]
    assert [(alert.rule, alert.agent, alert.details["entry"]) for alert in alerts] == [
        (UNDECODABLE, ALICE, "0")
    ]


def test_after_an_equivocation_batches_name_nobody_until_an_admin_decides() -> None:
    ledger = FakeLedger()
    ledger.batch(ALICE, some_bodies(2))
    ledger.batch(ALICE, some_bodies(2), kind=EntryType.EQUIVOCATION)
    ledger.batch(ALICE, [*some_bodies(2), Exec(pid=1, exe="evil", uid=0)])
    ledger.batch(BOB, some_bodies(2))
    change = decision.Setting("contested", "off", 1, "root", "reinstalled", object=ALICE)
    ledger.append(EntryType.SETTING, msgspec.json.encode(change))
    ledger.batch(ALICE, some_bodies(2))
    stored, alerts = feed(Fold(UidEngine()), ledger)
    assert [folded.contested for folded in stored] == [False, False, True, False, False]
    assert [any(folded.persons) for folded in stored] == [True, False, False, True, True]
    assert [alert.rule for alert in alerts] == ["fork"]


def test_a_rule_that_fails_costs_its_batch_the_persons_and_nobody_else_anything() -> None:
    ledger = FakeLedger()
    ledger.batch(ALICE, [Exec(pid=1, exe="crash", uid=5)])
    ledger.batch(BOB, some_bodies(2))
    stored, alerts = feed(Fold(UidEngine()), ledger)
    assert [len(folded.persons) for folded in stored] == [1, 2]
    assert [(alert.rule, alert.agent, alert.details["entry"]) for alert in alerts] == [
        (RULE_FAULT, ALICE, "0")
    ]
    assert [any(folded.persons) for folded in stored] == [False, True]


def test_absence_is_noticed_at_the_ledgers_own_pace() -> None:
    ledger = FakeLedger()
    ledger.batch(ALICE, some_bodies(2))
    for _ in range(12):
        ledger.batch(BOB, some_bodies(2))
    _, alerts = feed(Fold(UidEngine()), ledger)
    assert [(alert.rule, alert.agent) for alert in alerts] == [("silent", ALICE)]


def test_a_fold_from_a_saved_state_goes_on_like_the_one_that_saved_it() -> None:
    ledger = FakeLedger()
    enrol(ledger, ALICE, "web-1")
    ledger.batch(ALICE, some_bodies(3))
    ledger.batch(ALICE, some_bodies(1), kind=EntryType.EQUIVOCATION)
    first = Fold(UidEngine())
    feed(first, ledger)
    second = Fold(UidEngine())
    second.load(b"".join(first.dump()))
    for _ in range(15):
        ledger.batch(ALICE, some_bodies(2))
    ledger.batch(BOB, [Exec(pid=1, exe="evil", uid=0)])
    assert feed(second, ledger) == feed(first, ledger)
    assert second.position == len(ledger.entries)


@pytest.mark.parametrize("state", [b"", b"\x00", b"\x82\xa5state\xc0\xa6engine\xc0"])
def test_a_broken_state_is_refused(state: bytes) -> None:
    with pytest.raises(StoreError, match="engine state"):
        Fold(UidEngine()).load(state)


def test_a_clock_ahead_is_estimated_and_survives_a_restart() -> None:
    ledger, fold = FakeLedger(), Fold(UidEngine())
    item = ledger.batch(ALICE, some_bodies(1))
    early = msgspec.structs.replace(item, received=(item.received or 0) - 90_000_000_000)
    folded, _ = fold.feed(early)
    assert folded is not None
    assert [one.skew for one in folded.sessions] == [90_000_000_000]
    resumed = Fold(UidEngine())
    resumed.load(b"".join(fold.dump()))
    late = msgspec.structs.replace(ledger.batch(ALICE, some_bodies(1)), received=early.received)
    folded, _ = resumed.feed(late)
    assert folded is not None
    assert folded.sessions[0].skew > 90_000_000_000
