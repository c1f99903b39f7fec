"""`fsck`: is the ledger what was signed? Every entry, signature, chain, data hash and checkpoint."""

from __future__ import annotations

import argparse

from evidence import checkpoint

from .. import paths
from ..audit import inspection
from ..audit.inspection import Report
from ..command import FINE, FOUND, Command, Invocation
from ..terminal import Terminal

_SHOWN = 200


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--key",
        metavar="VKEY",
        help="the ledger's key as hosts pinned it; without it the one beside the ledger",
    )


def _run(call: Invocation) -> int:
    places = paths.of(call.settings())
    key = None if call.options.key is None else checkpoint.parse_vkey(call.options.key)
    report = inspection.inspect(
        places.ledger, key, lambda done, of: call.terminal.note(f"{done} of {of} entries")
    )
    if call.terminal.as_json:
        call.terminal.value(report)
    else:
        _tell(call.terminal, report)
    return FINE if report.sound else FOUND


def _tell(terminal: Terminal, report: Report) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in sorted(report.entries.items()))
    terminal.line(f"ledger {report.origin}: {report.size} entries ({counts}), root {report.root}")
    if report.beyond:
        terminal.line(
            f"{report.beyond} entries past the checkpoint: being written now, or never acknowledged"
        )
    for gone in report.expired:
        why = f"expired by entry {gone.by} ({gone.author}: {gone.reason})"
        terminal.line(f"data of entries {gone.first} to {gone.last}: {why}")
    for chain in report.chains:
        for first, last in chain.holes:
            terminal.line(
                f"agent {chain.agent}, epoch {chain.epoch}, {chain.lane}: {first} to {last} never came"
            )
        for seq in chain.forked:
            terminal.line(
                f"agent {chain.agent}, epoch {chain.epoch}, {chain.lane} {seq}: two statements, both kept"
            )
    for problem in report.problems[:_SHOWN]:
        where = "" if problem.entry is None else f"entry {problem.entry}: "
        terminal.line(f"{where}{problem.what}", "bold red")
    if len(report.problems) > _SHOWN:
        terminal.line(f"and {len(report.problems) - _SHOWN} problems more; --json has them all", "bold red")
    terminal.line("sound" if report.sound else f"NOT SOUND: {len(report.problems)} problems")


COMMAND = Command("fsck", "verify the whole ledger from its raw bytes", _run, _arguments)
