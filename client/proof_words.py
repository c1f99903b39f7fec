"""What a proof amounts to, in sentences made from its facts alone. Pure."""

from __future__ import annotations

from .proven import Proof, Sent, Stay
from .text import endpoint, size, utc

_MEANING = {
    "verified": "Every statement is signed, chained, in the ledger, and agrees with what the hosts saw.",
    "consistent, not anchored": "Signatures, chains and proofs hold. No receipts of all hosts were given, so "
    "the collector's administrator has not been ruled out.",
    "incomplete": "Statements, or data of them, are missing; what follows is what is there.",
    "broken": "The record contradicts itself or what the hosts saw; nothing below can be relied on.",
}
_LINK = {
    "login": "logged in from outside these hosts",
    "shown": "the connection and the login have the same addresses and ports",
    "claimed": "the collector says so; no signed event in this bundle shows it",
}


def meaning(proof: Proof) -> str:
    """Return what the audit's outcome means."""
    return _MEANING[proof.status]


def link(proof: Proof, stay: Stay) -> str:
    """Return how a session is known to be the person's."""
    if stay.origin is None:
        return _LINK[stay.link]
    came = proof.stays[stay.origin]
    return f"from session {came.session} of {came.host}: {_LINK[stay.link]}"


def conclusions(proof: Proof) -> tuple[str, ...]:
    """Return who, what left, and what is certain about the rest."""
    return (_who(proof), *_left(proof), _negative(proof), *_others(proof))


def _who(proof: Proof) -> str:
    first = proof.stays[0] if proof.stays else None
    if first is None:
        return "The bundle names no session of a person."
    hosts = ", ".join(dict.fromkeys(stay.host for stay in proof.stays))
    accounts = ", ".join(dict.fromkeys([stay.account for stay in proof.stays]))
    targets = ", ".join(dict.fromkeys(one.target for one in proof.became))
    came = f" from {first.source}" if first.source else ""
    key = f" with key {first.fingerprint}" if first.fingerprint else ""
    went = f", and by sudo or su as {targets}" if targets else ""
    count = len(proof.stays)
    return (
        f"{proof.person or first.account} logged in{came}{key} and acted in {count} "
        f"session{'s' * (count != 1)} on {hosts} as {accounts}{went}."
    )


def _left(proof: Proof) -> tuple[str, ...]:
    away = [one for one in proof.sent if one.to_stay is None and one.bytes_out]
    if not away:
        return ("No connection of these sessions carried bytes to another address.",)
    told = "; ".join(_destination(proof, one) for one in away[:5])
    more = f"; and {len(away) - 5} more" if len(away) > 5 else ""  # noqa: PLR2004 - as many as were told
    return (f"{size(proof.bytes_out)} left ({proof.bytes_out} bytes): {told}{more}.",)


def _destination(proof: Proof, one: Sent) -> str:
    stay = proof.stays[one.stay]
    if one.direction == "in":
        return f"{size(one.bytes_out)} from {stay.host} over the inbound session to {one.remote}"
    return f"{size(one.bytes_out)} from {stay.host} to {endpoint(one.remote, one.port, one.name)}"


def _negative(proof: Proof) -> str:
    span = f"between {utc(proof.begin)} and {utc(proof.end)}"
    hosts = ", ".join(one.host for one in proof.coverage)
    statements = sum(one.statements for one in proof.coverage)
    events = sum(one.events for one in proof.coverage)
    gaps = [f"{one.host}: {what}" for one in proof.coverage for what in (*one.missing, *one.losses)]
    if proof.status == "broken":
        return "Nothing can be said of what is not here."
    if any(one.missing for one in proof.coverage):
        return f"Not everything that {hosts} signed {span} is here: {'; '.join(gaps)}."
    held = f"All {statements} statements ({events} events) that {hosts} signed {span} are here"
    if gaps:
        return (
            f"{held}; what the hosts could not record is stated and signed: {'; '.join(gaps)}. "
            "Apart from that, no other recorded connection of these sessions left."
        )
    return f"{held}, without a loss: no other recorded connection of these sessions left."


def _others(proof: Proof) -> tuple[str, ...]:
    return tuple(
        f"Not counted above: a login on {one.host} as {one.account} at {utc(one.time)} ({one.why})."
        for one in proof.others
    )
