"""Which policy is offered to which host: a function of the acts that decided it. Pure.

The collector decides who is offered what, and when. Whether a host takes it is the host's to judge.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from evidence import policy
from evidence.event import Event
from evidence.kind import Body
from evidence.kinds.collector import Act
from evidence.policy import CHAIN_LIMIT, Policy

from ..errors import CollectorError

STAGE, ROLL_OUT, ROLL_BACK = "policy.stage", "policy.roll-out", "policy.roll-back"
VERBS = (STAGE, ROLL_OUT, ROLL_BACK)
ALL = 100


class Decision(msgspec.Struct, frozen=True):
    """An act: a document, the key that signed it (hex), and whom it is offered to: labels, and a share."""

    verb: str
    author: str
    time: int
    reason: str
    document: str
    public: str
    labels: dict[str, str]
    percent: int

    @property
    def envelope(self) -> bytes:
        """The document's bytes."""
        return self.document.encode()


class Offer(msgspec.Struct, frozen=True):
    """A document, its digest, what it says, and all that was decided of it, the oldest first."""

    digest: str
    policy: Policy
    envelope: bytes
    decisions: tuple[Decision, ...]

    @property
    def now(self) -> Decision:
        """What was decided last."""
        return self.decisions[-1]


def detail(made: Decision) -> dict[str, str]:
    """Return what the act says besides its author, its reason and the policy's name."""
    opened = policy.parse(made.envelope)
    return {
        "version": str(policy.read(opened).version),
        "digest": policy.digest(opened),
        "document": made.document,
        "public": made.public,
        "labels": msgspec.json.encode(made.labels).decode(),
        "percent": str(made.percent),
    }


def change(event: Event[Body]) -> Decision | None:
    """Return the decision that an act is; None for any other act.

    Raises:
        KeyError, ValueError: it is an act of ours by its verb, and says too little.
    """
    act = event.body
    if not isinstance(act, Act) or not act.allowed or act.verb not in VERBS:
        return None
    said = act.detail or {}
    return Decision(
        verb=act.verb,
        author=act.user,
        time=event.time,
        reason=act.reason or "",
        document=said["document"],
        public=said["public"],
        labels=msgspec.json.decode(said["labels"], type=dict[str, str]),
        percent=int(said["percent"]),
    )


def offers(decisions: Iterable[Decision]) -> tuple[Offer, ...]:
    """Return every document that anything was decided of, in the order in which they were issued."""
    found: dict[str, Offer] = {}
    for one in decisions:
        opened = policy.parse(one.envelope)
        digest = policy.digest(opened)
        known = found.get(digest)
        if known is None:
            found[digest] = Offer(digest, policy.read(opened), one.envelope, (one,))
        else:
            found[digest] = msgspec.structs.replace(known, decisions=(*known.decisions, one))
    return tuple(sorted(found.values(), key=lambda one: one.policy.issued))


def offered(every: Sequence[Offer], agent: str, labels: dict[str, str]) -> Offer | None:
    """Return what a host is offered now: the newest document of those it may have.

    A host that was offered a newer one before would refuse an older one: it is offered nothing, until the
    operator signs the next version.
    """
    had = (one for one in every if any(_may(one, each, agent, labels) for each in one.decisions))
    last = max(had, key=lambda one: one.policy.issued, default=None)
    return last if last is not None and _may(last, last.now, agent, labels) else None


def handed(every: Sequence[Offer], chosen: Offer) -> bytes:
    """Return what a host is handed: the documents that named a next key, then the chosen one."""
    links = [
        one.envelope
        for one in every
        if one.policy.next_key is not None and one.policy.issued < chosen.policy.issued
    ]
    return policy.bundle((*links[-(CHAIN_LIMIT - 1) :], chosen.envelope))


def trusted(every: Sequence[Offer]) -> frozenset[str]:
    """Return the public keys (hex) that signed documents before, or that these named."""
    signers = {each.public for one in every for each in one.decisions}
    return frozenset(signers | {one.policy.next_key for one in every if one.policy.next_key is not None})


def check_order(every: Sequence[Offer], made: Policy, digest: str) -> None:
    """Refuse a document that no host would take, because of those it was offered before.

    Raises:
        CollectorError: its version, or the time it was issued, is not above all others.
    """
    for one in every:
        if one.digest == digest:
            return
    for one in every:
        if one.policy.name == made.name and one.policy.version >= made.version:
            known = f"version {one.policy.version} of {made.name} was offered before"
            raise CollectorError(f"{known}: sign this one with a higher --version")
        if one.policy.issued >= made.issued:
            known = f"{one.policy.name} {one.policy.version} was issued later"
            raise CollectorError(f"{known}: sign this one again, at a machine whose clock is right")


def share(name: str, agent: str) -> int:
    """Return in which hundredth of the fleet a host is: the same for each version of a policy."""
    return int.from_bytes(hashlib.sha256(f"{name} {agent}".encode()).digest()[:8]) % ALL


def _may(one: Offer, decided: Decision, agent: str, labels: dict[str, str]) -> bool:
    staged = all(labels.get(key) == value for key, value in decided.labels.items())
    return one.policy.fits(labels) and staged and share(one.policy.name, agent) < decided.percent
