"""The generated fleet: made again the same, believed by the collector, and like a fleet."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.analysis import Analysis
from collector.audit import inspection
from collector.chains.projection import Projection, open_statement
from collector.ingest import verify
from collector.ledger.reader import LedgerReader
from collector.pipeline.fold import Fold, Folded
from collector.record import Person
from evidence import codec, frame, seal
from evidence.entry import EntryType
from evidence.seal import RAW_LIMIT
from range.fleet import insider, techniques
from range.fleet.calendar import Span
from range.fleet.hosts import DAY
from range.fleet.month import Month
from range.fleet.settings import Settings, small
from tests.bench import month as months

WEEK = small(seed=3, days=5, hosts=10, people=6, machine=0.05, first_act=2, insiders=0.34)


def digest(settings: Settings, count: int) -> str:
    """Return one hash over the first entries of a month."""
    whole = hashlib.sha256()
    for one in islice(Month(settings).entries(), count):
        whole.update(one.payload)
        whole.update(one.data)
        whole.update(one.received.to_bytes(8, "big"))
    return whole.hexdigest()


def test_a_seed_gives_the_same_bytes_again_and_another_seed_others() -> None:
    first = digest(WEEK, 300)
    assert digest(WEEK, 300) == first
    assert digest(msgspec.structs.replace(WEEK, seed=4), 300) != first


def test_admission_takes_every_entry() -> None:
    known, accepted = Projection(), 0
    for index, one in enumerate(Month(WEEK).entries()):
        if one.type is EntryType.ENROLMENT:
            known.check(one.type, one.payload)
            known.apply(index, one.type, one.payload)
            continue
        request = verify.split(seal.request_body(one.payload, one.data))
        agent = agent_of(one.payload)
        verified = verify.verify(request, verify.peer(agent, known.registry), known.registry)
        assert known.chains.find(verified.statement, verified.epoch) is None
        known.accept(index, one.type, verified.statement, verified.digest, verified.epoch)
        accepted += 1
    assert accepted > 500


def agent_of(envelope: bytes) -> str:
    """Return the agent that a statement is of."""
    return open_statement(envelope)[0].agent


def test_its_ledger_is_sound_and_its_chains_are_whole(tmp_path: Path) -> None:
    station = months.write(Month(WEEK), tmp_path)
    report = inspection.inspect(station.paths.ledger, None, lambda _done, _of: None)
    assert (report.sound, report.problems) == (True, ())
    assert report.chains
    assert all(not chain.holes and not chain.forked for chain in report.chains)
    reader = LedgerReader(station.paths.ledger)
    assert reader.size() == report.size > 500
    reader.close()


def persons(batches: list[Folded]) -> list[Person]:
    return [person for one in batches for person in one.persons if person is not None]


def folded(settings: Settings, folder: Path) -> tuple[Month, list[Folded], list[Any]]:
    """Return a month, and what the collector makes of it."""
    month = Month(settings)
    told = months.tell(month, folder / "organisation.d")
    fold = Fold(Analysis(told.detection, months.known(told)))
    batches, alerts = [], []
    for item in months.items(month):
        batch, found = fold.feed(item)
        alerts += found
        if batch is not None:
            batches.append(batch)
    return month, batches, alerts


def test_the_collector_reads_all_of_it_and_knows_who_was_at_work(tmp_path: Path) -> None:
    month, batches, alerts = folded(WEEK, tmp_path)
    assert [one.batch.faults for one in batches if one.batch.faults] == []
    assert [one.summary for one in alerts if one.rule == "rule-fault"] == []
    assert sum(len(one.persons) for one in batches) == month.events
    named = {person.name.partition(" from ")[0] for person in persons(batches)}
    assert {one.name for one in month.people if one.joined < 0} & named
    assert named <= {*[one.name for one in month.people], "root", "deploy", "uid 1500", "carla"}
    chains = [person for person in persons(batches) if person.chain]
    assert {person.how for person in chains} == {"hop"}
    assert chains


def test_sessions_open_once_and_close_on_the_same_host() -> None:
    opened: Counter[tuple[str, int]] = Counter()
    closed: Counter[tuple[str, int]] = Counter()
    for one in Month(WEEK).entries():
        if one.type is not EntryType.BATCH:
            continue
        agent = agent_of(one.payload)
        for event in codec.decode(frame.decompress(one.data, RAW_LIMIT)).events:
            body: Any = getattr(event, "body", None)
            kind = type(body).__name__
            if kind in ("SessionOpen", "SessionClose"):
                (opened if kind == "SessionOpen" else closed)[agent, body.session] += 1
    assert max(opened.values()) == 1
    assert set(closed) <= set(opened)
    assert len(closed) > 0.9 * len(opened)


def test_insiders_are_as_many_as_was_asked_for_and_the_quiet_ones_are_quiet() -> None:
    month = Month(small(seed=5, people=60, days=25, insiders=0.25))
    assert len(month.insiders) == 15
    quiet = [one for one in month.insiders if one.quiet]
    assert len(quiet) == 5
    for one in quiet:
        assert one.bytes / len(one.days) <= max(one.own[2], 20_000)
    assert all(min(one.days) >= month.settings.first_act for one in month.insiders)
    assert len({one.person for one in month.insiders}) == 15


def test_every_technique_can_be_played() -> None:
    names = {one.name for one in techniques.load()}
    assert len(names) == len(techniques.load()) >= 14
    seen = {
        one.technique
        for seed in range(3)
        for one in Month(small(seed, people=40, days=25, insiders=0.45)).insiders
    }
    assert seen == names


@pytest.mark.parametrize("ip", ["10.200.0.9", "198.51.100.7", "203.0.113.9"])
def test_a_laptop_is_outside(ip: str) -> None:
    assert insider.is_outside(ip)
    assert not insider.is_outside("10.3.0.12")


def test_hosts_start_anew_within_announced_nights_only() -> None:
    month = Month(small())
    windows: tuple[Span, ...] = month.calendar.changes
    starts = [boot.at for host in month.hosts for boot in host.boots[1:]]
    assert starts
    assert all(any(one.start <= at < one.end for one in windows) for at in starts)


def test_autoscaled_hosts_come_and_go() -> None:
    month = Month(small())
    coming = [one for one in month.hosts if one.autoscaled]
    assert len(coming) > month.settings.days
    assert all(0 < one.ends - one.begins < DAY for one in coming)
