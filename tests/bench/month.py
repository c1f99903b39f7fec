"""A generated month as a collector has it: in a ledger on disk, or as the items a pipeline reads from one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from collector.ledger import segment
from collector.ledger.reader import LedgerItem
from collector.ledger.segment import Row
from collector.organisation import organisation_file
from collector.organisation.known import Known
from collector.settings import OrganisationFiles, Settings
from evidence import entry
from range.fleet import organisation
from range.fleet.month import Month
from range.fleet.sealing import Entry
from tests.collector.station import Station

GROUP = 2048
"""Entries that are made durable together."""


def items(month: Month) -> Iterator[LedgerItem]:
    """Yield the month's entries as a ledger's reader would."""
    for index, one in enumerate(month.entries()):
        yield LedgerItem(index, one.type, one.payload, one.data, one.received)


def tell(month: Month, folder: Path) -> Settings:
    """Write what the operator of the fleet tells, and return settings that read it."""
    folder.mkdir(parents=True)
    (folder / "fleet.toml").write_text(organisation.text(month))
    return Settings(organisation=OrganisationFiles(folder=folder))


def known(settings: Settings) -> Known:
    """Return what the operator told, as the collector understands it."""
    return organisation_file.read(settings).known


def write(month: Month, folder: Path) -> Station:
    """Write a month into the ledger of a new collector, with the times at which it would have come.

    It goes past admission, whose answer a test asks for: a request at a time would take an hour.
    """
    settings = tell(month, folder / "organisation.d")
    station = Station(folder / "state", settings)
    keeper = station.keeper()
    try:
        entries = month.entries()
        while group := list(islice(entries, GROUP)):
            keeper.ledger.append([_row(one) for one in group])
    finally:
        keeper.close()
    return station


def _row(one: Entry) -> Row:
    return segment.row(entry.encode(one.type, one.payload), one.received, one.data)
