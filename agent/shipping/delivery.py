"""Decide what a collector's answer means for a batch and when to ask again. Pure.

Chance arrives as a number in [0, 1). Delays are seconds.
"""

from __future__ import annotations

import enum

import msgspec

from evidence.refusal import Code, Refusal

BASE, CAP = 0.5, 300.0
ASKED_CAP = 3600.0
"""A longer Retry-After is not obeyed: nobody but the operator stops an agent for hours."""
STOPPED_DELAY = 600.0
REJECTED_DELAY = 3600.0
_OK = 200


class Outcome(enum.StrEnum):
    """What becomes of the batch that was posted, and of the ones behind it."""

    DELIVERED = "delivered"
    RETRY = "retry"
    """The collector or the way to it is in trouble: everything waits, this batch goes first again."""
    ASIDE = "aside"
    """This batch must wait for another one (its data was dropped); the others go on."""
    REJECTED = "rejected"
    """This batch will not be taken as it is; the others go on, the operator is told."""
    STOPPED = "stopped"
    """No batch of this identity is taken: say so, ask again rarely."""


OUTCOMES: dict[Code, Outcome] = {
    Code.TOO_LARGE: Outcome.REJECTED,
    Code.RATE_LIMITED: Outcome.RETRY,
    Code.OVERLOADED: Outcome.RETRY,
    Code.DISK_FULL: Outcome.RETRY,
    Code.NOT_THIS_AGENT: Outcome.STOPPED,
    Code.UNKNOWN_AGENT: Outcome.STOPPED,
    Code.REVOKED: Outcome.STOPPED,
    Code.NOT_CANONICAL: Outcome.REJECTED,
    Code.BAD_SIGNATURE: Outcome.REJECTED,
    Code.BAD_STATEMENT: Outcome.REJECTED,
    Code.WRONG_EPOCH: Outcome.REJECTED,
    Code.BAD_DIGEST: Outcome.REJECTED,
    Code.BAD_FRAME: Outcome.REJECTED,
    Code.DATA_MISSING: Outcome.ASIDE,
    Code.EQUIVOCATION: Outcome.REJECTED,
    Code.REFUSED: Outcome.STOPPED,
    Code.BAD_REQUEST: Outcome.RETRY,
    Code.NOT_FOUND: Outcome.RETRY,
    Code.FAULT: Outcome.RETRY,
}
"""Every code of docs/wire.md; BAD_REQUEST and NOT_FOUND mean that something else answers at the address."""


class Reply(msgspec.Struct, frozen=True):
    """What came back: status None where nobody answered, then problem says why.

    clock_offset is the collector's clock less ours, in ns.
    """

    status: int | None
    body: bytes = b""
    retry_after: float | None = None
    clock_offset: int | None = None
    problem: str | None = None


class Decision(msgspec.Struct, frozen=True):
    """What to do: delay is how long everything (RETRY, STOPPED) or this batch (ASIDE, REJECTED) waits."""

    outcome: Outcome
    delay: float
    code: str | None = None
    problem: str | None = None


def decide(reply: Reply, failures: int, chance: float, tries: int = 0) -> Decision:
    """Return what a reply means; failures are those in a row before it, tries those of this batch alone.

    A batch that waits for another one is not held up by the outage before it.
    """
    if reply.status == _OK:
        return Decision(Outcome.DELIVERED, 0.0)
    failures = max(failures, tries)
    if reply.status is None:
        return Decision(Outcome.RETRY, backoff(failures, chance), problem=reply.problem or "no answer")
    refusal = read_refusal(reply.body)
    if refusal is None:
        problem = f"HTTP {reply.status} without a reason: is this a Vedette collector?"
        return Decision(Outcome.RETRY, backoff(failures, chance, reply.retry_after), problem=problem)
    outcome = OUTCOMES[refusal.code]
    delay = {Outcome.STOPPED: STOPPED_DELAY, Outcome.REJECTED: REJECTED_DELAY}.get(outcome)
    count = tries if outcome is Outcome.ASIDE else failures
    wait = backoff(count, chance, reply.retry_after) if delay is None else delay * (0.5 + chance / 2)
    return Decision(outcome, wait, refusal.code.value, f"{refusal.code.value}: {refusal.message[:500]}")


def backoff(failures: int, chance: float, asked: float | None = None) -> float:
    """Return a delay with full jitter under a doubling ceiling, on top of what the collector asked for.

    The jitter comes on top of Retry-After too, or a fleet that was told the same second returns in it.
    """
    ceiling: float = min(CAP, BASE * 2.0 ** min(failures, 30))
    waited = min(max(asked, 0.0), ASKED_CAP) if asked is not None else 0.0
    return waited + ceiling * chance


def read_refusal(body: bytes) -> Refusal | None:
    """Return the refusal in a reply's body, None if it holds none that this version knows."""
    try:
        return msgspec.json.decode(body, type=Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def retry_after(value: str | None) -> float | None:
    """Return the seconds a Retry-After header asks for; None for none, a date, or nonsense."""
    if value is None or not value.strip().isascii() or not value.strip().isdigit():
        return None
    return float(value.strip()[:9])
