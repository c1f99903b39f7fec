"""Deciding who is offered a policy: the document is verified, the decision recorded, then it holds."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec

from evidence import policy
from evidence.errors import EvidenceError
from evidence.kinds.collector import Act
from evidence.policy import Policy
from evidence.receipt import Receipt

from .. import paths
from ..author import author
from ..errors import CollectorError
from ..ledger_access import ledger_client
from ..settings import Settings
from . import policies, policy_file, policy_key, rollout
from .rollout import Decision, Offer


class Chosen(msgspec.Struct, frozen=True):
    """A document that may be offered: its bytes, what it says, its digest, the key that signed it (hex)."""

    envelope: bytes
    policy: Policy
    digest: str
    public: str


def choose(every: tuple[Offer, ...], what: str, public: Path | None) -> Chosen:
    """Return the document that what names: a signed file, or NAME@VERSION of one that was offered before.

    Raises:
        CollectorError: there is none, nobody vouches for its key, or hosts would refuse it as older.
    """
    before = {f"{one.policy.name}@{one.policy.version}": one.envelope for one in every}
    envelope = before.get(what) or policy_file.signed(Path(what))
    keys = {policy_key.public(public).hex()} if public is not None else rollout.trusted(every)
    if not keys:
        raise CollectorError(f"{what}: the first policy needs --public FILE, the line that hosts pinned")
    for key in sorted(keys):
        try:
            found = policy.verified(envelope, bytes.fromhex(key))
        except EvidenceError:
            continue
        digest = policy.digest(policy.parse(envelope))
        rollout.check_order(every, found, digest)
        return Chosen(envelope, found, digest, key)
    policy_file.unverified(envelope, what)
    message = "signed by none of the keys known here; give --public FILE if hosts pin another"
    raise CollectorError(f"{what}: {message}")


def every(settings: Settings) -> tuple[Offer, ...]:
    """Return all documents that anything was decided of, with every durable act taken in."""
    return rollout.offers(policies.known(paths.of(settings)).decisions())


def record(
    settings: Settings,
    chosen: Chosen,
    verb: str,
    reason: str,
    *,
    labels: dict[str, str] | None = None,
    percent: int = rollout.ALL,
) -> Receipt:
    """Record a decision and let it hold.

    Raises:
        CollectorError: percent is out of range, or it could not be recorded: then it does not hold.
    """
    if not 0 <= percent <= rollout.ALL:
        raise CollectorError(f"--percent {percent}: write 0 to {rollout.ALL}")
    who = author()
    made = Decision(verb, who, 0, reason, chosen.envelope.decode(), chosen.public, labels or {}, percent)
    act = Act(user=who, verb=verb, object=chosen.policy.name, reason=reason, detail=rollout.detail(made))
    with closing(ledger_client.connect(settings)) as ledger:
        receipt = ledger.record(act)
    policies.known(paths.of(settings))
    return receipt
