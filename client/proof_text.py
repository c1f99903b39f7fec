"""A proof on a terminal."""

from __future__ import annotations

from .proof_words import conclusions, link, meaning
from .proven import Coverage, Proof, Sent, Stay
from .screen import Part, Screen
from .text import endpoint, size, utc

_STYLES = {"verified": "bold green", "consistent, not anchored": "green"}


def tell(screen: Screen, proof: Proof) -> None:
    """Write what was proven: the outcome, who, the sessions, what left, and what is covered."""
    screen.line((proof.status, _STYLES.get(proof.status, "bold red")), f": {meaning(proof)}")
    for problem in proof.problems:
        screen.line("  ", ("! ", "bold red"), problem)
    screen.line("")
    for sentence in conclusions(proof):
        screen.line(sentence)
    _sessions(screen, proof)
    _sent(screen, proof)
    _read(screen, proof)
    screen.line("")
    heads = ("host", "statements", "events", "receipts", "missing or lost")
    screen.table(heads, [_coverage(one) for one in proof.coverage], right=("statements", "events"))
    screen.line("")
    screen.line(("bundle ", "dim"), proof.bundle)


def _sessions(screen: Screen, proof: Proof) -> None:
    screen.line("")
    heads = ("session", "as", "began", "ended", "from", "commands", "how we know")
    screen.table(heads, [_session(proof, stay) for stay in proof.stays], right=("commands",))
    for one in proof.became:
        command = f": {one.command}" if one.command else ""
        screen.line("  ", (utc(one.time), "dim"), f"  {proof.stays[one.stay].host} as {one.target}{command}")


def _session(proof: Proof, stay: Stay) -> list[Part]:
    came = stay.source or "-"
    return [
        f"{stay.host} {stay.session}",
        stay.account,
        utc(stay.opened),
        utc(stay.closed),
        came,
        str(stay.commands),
        (link(proof, stay), "" if stay.link != "claimed" else "yellow"),
    ]


def _sent(screen: Screen, proof: Proof) -> None:
    if proof.sent:
        screen.line("")
        heads = ("session", "direction", "with", "bytes out", "bytes in", "connections", "program")
        rows = [_connection(proof, one) for one in proof.sent]
        screen.table(heads, rows, right=("bytes out", "bytes in", "connections"))


def _connection(proof: Proof, one: Sent) -> list[Part]:
    stay = proof.stays[one.stay]
    hop = "" if one.to_stay is None else f" = {proof.stays[one.to_stay].host}"
    port = one.port if one.direction == "out" else None
    return [
        f"{stay.host} {stay.session}",
        one.direction,
        endpoint(one.remote, port, one.name) + hop,
        (size(one.bytes_out), "bold" if one.to_stay is None else ""),
        size(one.bytes_in),
        str(one.connections),
        ", ".join(one.programs) or "-",
    ]


def _read(screen: Screen, proof: Proof) -> None:
    if not proof.looked:
        return
    screen.line("")
    heads = ("read", "when", "by", "files", "bytes")
    rows = [
        [one.path, utc(one.time), one.program or "-", str(one.files), size(one.bytes)] for one in proof.looked
    ]
    screen.table(heads, rows, right=("files", "bytes"))


def _coverage(one: Coverage) -> list[Part]:
    gaps = "; ".join((*one.missing, *one.losses))
    return [
        one.host,
        str(one.statements),
        str(one.events),
        ("agree", "green") if one.anchored else ("none given", "yellow"),
        (gaps, "red") if one.missing else gaps or "nothing",
    ]
