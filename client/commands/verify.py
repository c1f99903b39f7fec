"""`vedette verify`: audit a bundle offline, with the collector's administrator as a suspect."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from evidence import audit, bundle, host_receipts
from evidence.errors import EvidenceError
from evidence.report import Chain, Missing, Report

from ..command import FINE, FOUND, Call, Command
from ..errors import ClientError
from ..screen import Part, Screen
from ..text import utc

_STYLES = {"verified": "bold green", "consistent, not anchored": "green"}
_MEANINGS = {
    "verified": "every statement is signed, chained, in the ledger, and agrees with what the hosts saw",
    "consistent, not anchored": "signatures, chains and proofs hold; --trust RECEIPTS asks the hosts",
    "incomplete": "statements, or data of them, are missing",
    "broken": "it contradicts itself, or what the hosts saw",
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a bundle")
    trust_option(parser)


def trust_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names what hosts vouch for."""
    parser.add_argument(
        "--trust",
        metavar="RECEIPTS",
        action="append",
        default=[],
        help="what `vedette-agent receipts export` gave on the hosts; may be repeated",
    )


def _run(call: Call) -> int:
    trusted = [host for path in call.options.trust for host in receipts(path)]
    try:
        report = audit.audit(bundle.read(read_file(call.options.file)), trusted)
    except EvidenceError as error:
        report = Report("broken", "", None, (str(error),), (), (), (), (), 0)
    if call.screen.as_json:
        call.screen.value(msgspec.to_builtins(report))
    else:
        _tell(call.screen, report)
    return FINE if report.status in _STYLES else FOUND


def read_file(path: str) -> bytes:
    """Return a file's content.

    Raises:
        ClientError: it cannot be read, or is larger than any bundle.
    """
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - also /dev/stdin
            raw = stream.read(bundle.BUNDLE_LIMIT + 1)
    except OSError as error:
        raise ClientError(f"{path}: {error.strerror}") from error
    if len(raw) > bundle.BUNDLE_LIMIT:
        raise ClientError(f"{path}: more than {bundle.BUNDLE_LIMIT >> 30} GiB, larger than any bundle")
    return raw


def receipts(path: str) -> list[host_receipts.HostReceipts]:
    """Return the receipts in a file that a host exported.

    Raises:
        ClientError: it cannot be read, or is none.
    """
    try:
        return host_receipts.decode(read_file(path))
    except EvidenceError as error:
        raise ClientError(
            f"--trust {path}: {error}; export it again: vedette-agent receipts export"
        ) from error


def _tell(screen: Screen, report: Report) -> None:
    screen.line((report.status, _STYLES.get(report.status, "bold red")), f": {_MEANINGS[report.status]}")
    for problem in report.problems:
        screen.line("  ", ("! ", "bold red"), problem)
    for gap in report.missing:
        screen.line(
            "  ",
            ("missing: ", "bold red"),
            f"agent {gap.agent}, lane {gap.lane}, sequence {sequences(gap)} ({gap.why})",
        )
    _tell_restored(screen, report)
    _tell_scope(screen, report)
    if report.chains:
        screen.line("")
        heads = ("agent", "lane", "sequences", "events", "from", "to", "losses the host signed")
        screen.table(heads, [_chain(chain, report) for chain in report.chains], right=("events",))
    if report.name:
        screen.line("")
        screen.line(("bundle ", "dim"), report.name)


def _tell_restored(screen: Screen, report: Report) -> None:
    """Say that the log goes on from another, and exactly what is known to be lost with that."""
    for each in report.restored:
        why = f" ({each.reason})" if each.reason else ""
        screen.line(
            "  ",
            ("restored: ", "bold yellow"),
            f"by {each.author} at {utc(each.time)}{why} with {each.kept} entries of the log "
            f"{each.former.partition('+')[0]}; hosts had seen {each.seen}",
        )
    for gap in report.lost:
        screen.line(
            "  ",
            ("lost: ", "bold yellow"),
            f"agent {gap.agent}, lane {gap.lane}, sequence {sequences(gap)} ({gap.why})",
        )


def sequences(gap: Missing) -> str:
    """Return the numbers of what is missing, as a person reads them."""
    return str(gap.seq) if gap.seq == gap.last else f"{gap.seq} to {gap.last}"


def _tell_scope(screen: Screen, report: Report) -> None:
    """Say which hosts and which interval the outcome is about: the bundle itself chose them."""
    if report.subject is None:
        return
    who = ", ".join(report.subject.agents) or "all hosts"
    screen.line("  ", ("about ", "dim"), f"{who}, {utc(report.subject.begin)} to {utc(report.subject.end)}")
    if report.anchored and report.unanchored:
        screen.line("  ", ("not anchored: ", "bold red"), ", ".join(report.unanchored))


def _chain(chain: Chain, report: Report) -> list[Part]:
    place = (chain.agent, chain.epoch, chain.lane)
    gone = sum(gap.last - gap.seq + 1 for gap in report.missing if (gap.agent, gap.epoch, gap.lane) == place)
    lost = sum(gap.last - gap.seq + 1 for gap in report.lost if (gap.agent, gap.epoch, gap.lane) == place)
    held = f"{chain.first} to {chain.last}" + (f", {lost} lost by a restore" if lost else "")
    absent = [(chain.dropped, "given up by its host"), (chain.expired, "expired")]
    held += "".join(f", data of {count} {why}" for count, why in absent if count)
    losses = "; ".join(_loss(loss) for loss in chain.losses) or "none"
    anchored = chain.agent in report.anchored
    return [
        (chain.agent, "bold" if anchored else ""),
        chain.lane,
        (f"{held}, {gone} missing", "red") if gone else held if lost else f"{held}, complete",
        str(chain.events),
        utc(chain.begin),
        utc(chain.end),
        losses,
    ]


def _loss(loss: Any) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in loss.counts.items())
    return f"{loss.cause} ({counts})" if counts else str(loss.cause)


COMMAND = Command("verify", "check a bundle offline", _run, _arguments)
