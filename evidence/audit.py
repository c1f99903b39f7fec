"""Audit a bundle offline: signatures, inclusion, chains, and what hosts themselves saw of the log.

The collector's administrator is a suspect: nothing is believed because the ledger's key signed it. Hosts
signed their statements, each statement quotes the tree its host verified, and receipts taken from hosts say
which statements the ledger once held. The rules are numbered in docs/wire.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import chain_rules, checkpoint, host_losses, join_rules, opened, tree
from .bundle import Bundle
from .chain_rules import Chains, DataRules
from .checkpoint import Checkpoint, VerifierKey
from .entry import EntryType
from .errors import EvidenceError
from .host_receipts import HostReceipts
from .host_rules import Witness
from .join_rules import Joins
from .opened import Opened
from .receipt import decode_hashes
from .report import Missing, Report, Restored, Status


def audit(bundle: Bundle, trusted: Sequence[HostReceipts] = ()) -> Report:
    """Verify everything a bundle claims; with receipts taken from hosts, also against what they saw."""
    problems: list[str] = []
    key, head = _head(bundle, problems)
    if head is not None:
        problems += _inclusion(bundle, head)
    found = opened.open_pieces(bundle.pieces, problems)
    chains = chain_rules.by_chain(found.statements)
    joins, name = Joins(found.joins), key.name if key is not None else ""
    problems += joins.problems(key, head, _anchors(bundle))
    contradictions, gaps = _among_themselves(bundle, found, chains, head)
    witnesses = [Witness(host, bundle.manifest.subject, chains, joins, name) for host in trusted]
    objections, absent = _against_hosts(bundle, found, witnesses, (key, head))
    problems += [*contradictions, *objections]
    spans = join_rules.spans(chains, trusted, joins, name)
    unexplained, lost = join_rules.split(_once([*absent, *gaps]), spans)
    missing = _once(unexplained)
    hosts = _hosts(found)
    anchored = {witness.agent for witness in witnesses if witness.anchors()} & hosts
    return Report(
        status=_status(problems, missing, anchored=bool(hosts) and anchored == hosts),
        name=bundle.name,
        subject=bundle.manifest.subject,
        problems=tuple(problems),
        missing=missing,
        chains=chain_rules.summary(chains, DataRules(found)),
        anchored=tuple(sorted(anchored)),
        unanchored=tuple(sorted(hosts - anchored)),
        statements=len(found.statements),
        restored=_restored(joins, found, witnesses),
        lost=join_rules.merged([*lost, *(gap for witness in witnesses for gap in witness.gone())]),
    )


def _restored(joins: Joins, found: Opened, witnesses: Sequence[Witness]) -> tuple[Restored, ...]:
    """Return where the log goes on from another, and how much of that hosts are known to have seen."""
    told = [
        loss.counts.get("seen", 0)
        for item in found.statements
        for loss in item.said.loss
        if loss.cause == host_losses.RESTORED
    ]
    seen = max([0, *told, *(witness.saw() for witness in witnesses)])
    return tuple(
        Restored(
            join.record.former,
            join.index,
            max(seen, join.index),
            join.record.time,
            join.record.author,
            join.record.reason,
        )
        for join in joins.all
    )


def _status(problems: Sequence[str], missing: Sequence[Missing], *, anchored: bool) -> Status:
    if problems:
        return "broken"
    if missing:
        return "incomplete"
    return "verified" if anchored else "consistent, not anchored"


def _head(bundle: Bundle, problems: list[str]) -> tuple[VerifierKey | None, Checkpoint | None]:
    try:
        key = checkpoint.parse_vkey(bundle.manifest.ledger_key)
        return key, checkpoint.verify_note(bundle.manifest.checkpoint.encode(), key)
    except EvidenceError as error:
        problems.append(str(error))
        return None, None


def _inclusion(bundle: Bundle, head: Checkpoint) -> list[str]:
    problems: list[str] = []
    for piece in bundle.pieces:
        try:
            leaf = tree.leaf_hash(piece.entry)
            tree.check_inclusion(leaf, piece.index, head.size, decode_hashes(piece.proof), head.root)
        except EvidenceError as error:
            problems.append(f"entry {piece.index}: {error}")
    return problems


def _among_themselves(
    bundle: Bundle, found: Opened, chains: Chains, head: Checkpoint | None
) -> tuple[list[str], list[Missing]]:
    """Apply the rules that need no host; return contradictions and what is missing."""
    problems, quoted = chain_rules.quotes(chains, found.keys)
    problems += [*chain_rules.links(chains, found.keys), *chain_rules.forks(chains, found.forks)]
    if head is not None:
        everything = (*found.statements, *found.asides, *found.forks)
        explained = Joins(found.joins).explain
        problems += chain_rules.seen(everything, _anchors(bundle), head, explained)
    subject = bundle.manifest.subject
    there = {agent for agent, _epoch, _lane in chains}
    problems += [
        f"agent {agent}: the bundle is about it, and holds nothing of it"
        for agent in subject.agents
        if agent not in there
    ]
    late = chain_rules.late_starts(chains, subject.begin)
    return problems, [*chain_rules.holes(chains), *late, *quoted, *DataRules(found).missing(chains)]


def _against_hosts(
    bundle: Bundle,
    found: Opened,
    witnesses: Sequence[Witness],
    log: tuple[VerifierKey | None, Checkpoint | None],
) -> tuple[list[str], list[Missing]]:
    """Apply the rules that hold the bundle against its hosts; return contradictions and what is missing."""
    key, head = log
    problems: list[str] = []
    missing: list[Missing] = []
    for witness in witnesses:
        problems += [*witness.identity(found.keys), *witness.contradictions()]
        if head is not None:
            problems += witness.notes(key, head, _anchors(bundle))
            missing += witness.absent(head.size)
    problems += [f"agent {gap.agent}, {gap.lane} {gap.seq}: is not here, yet {gap.why}" for gap in missing]
    return problems, missing


def _once(missing: Sequence[Missing]) -> tuple[Missing, ...]:
    """Return what is missing, each range once, for the first reason given."""
    found: dict[tuple[str, int, str, int, int], Missing] = {}
    for gap in missing:
        found.setdefault((gap.agent, gap.epoch, gap.lane, gap.seq, gap.last), gap)
    return tuple(found.values())


def _anchors(bundle: Bundle) -> dict[int, tuple[str, ...]]:
    return {anchor.size: anchor.proof for anchor in bundle.manifest.anchors}


def _hosts(found: Opened) -> set[str]:
    """Return the agents with statements that are no act of the collector itself."""
    return {item.said.agent for item in found.statements if item.type is EntryType.BATCH}
