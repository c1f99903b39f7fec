"""`replay`: rebuild the lake from the ledger, offline."""

from __future__ import annotations

from .. import paths
from ..analysis import Analysis
from ..command import FINE, Command, Invocation
from ..lake import generation
from ..ledger.reader import LedgerReader
from ..organisation import organisation_file
from ..pipeline.replay import replay
from ..rule_sources import sigma_folder, site_folder


def _run(call: Invocation) -> int:
    settings = call.settings()
    places = paths.of(settings)
    known = organisation_file.read(settings).known
    rules, own = sigma_folder.in_force(settings), site_folder.in_force(settings)
    with generation.owned(places.lake):
        entries = replay(
            LedgerReader(places.ledger),
            places.lake,
            places.snapshot,
            lambda: Analysis(settings.detection, known, rules, site_rules=own),
            settings.pipeline,
        )
    call.terminal.answer({"entries": entries}, f"the lake is rebuilt from {entries} entries of the ledger")
    return FINE


COMMAND = Command("replay", "rebuild the lake from the ledger; nobody is notified", _run)
