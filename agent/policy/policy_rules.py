"""Which policy a host takes: a state machine over the bytes that were handed over. Pure.

Files and the clock are not handled here. The rules, in their order: what holds already is nothing new; the
key that is trusted signed it; the payload is in its one form and above the floor; its version is above all
taken of its name, and it was issued after the one taken last; the host has its labels; it has not ended. A
document before the last of a bundle only hands the trust on to the next key, whether it still holds or not.
"""

from __future__ import annotations

import hashlib

import msgspec

from evidence import dsse, keys, policy
from evidence.errors import BadSignature, EvidenceError, NotCanonical, TooLarge
from evidence.kinds.policy import Ground
from evidence.policy import Name, Policy
from evidence.statement import Count, Hash, Ordinal

NAMES_LIMIT = 64
"""Names of policies whose versions are remembered; only the key's holder can make one."""


class Trust(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a host remembers of policies it took; it only ever grows, but for another pinned key.

    root is the public key that was pinned, key the one that is trusted now, signer the one that signed the
    policy taken last, whose payload has digest. issued is UTC ns.
    """

    root: Hash
    key: Hash
    issued: Count = 0
    versions: dict[Name, Ordinal] = {}
    digest: Hash | None = None
    signer: Hash | None = None


class Taken(msgspec.Struct, frozen=True):
    """A policy to put in force: what it says, its bytes, its digest, and what is trusted from then on."""

    policy: Policy
    envelope: bytes
    digest: str
    trust: Trust


class Refusal(msgspec.Struct, frozen=True):
    """Why nothing was taken. policy is there where the trusted key signed it."""

    ground: Ground
    message: str
    digest: str
    policy: Policy | None = None
    key: str | None = None


class Wait(msgspec.Struct, frozen=True):
    """Nothing is to be done before until (UTC ns); None: before something else is handed over."""

    until: int | None = None


Judgement = Taken | Refusal | Wait


def pin(root: bytes) -> Trust:
    """Return what a host trusts that has pinned a key and taken nothing."""
    return Trust(root.hex(), root.hex())


def judge(raw: bytes, trust: Trust, held: bytes | None, labels: dict[str, str], now: int) -> Judgement:
    """Judge a bundle; held is the envelope in force, now is UTC ns."""
    whole = hashlib.sha256(raw).hexdigest()
    try:
        *links, last = policy.unbundle(raw)
    except EvidenceError as error:
        return Refusal(_ground(error), str(error), whole)
    if last == held:
        return Wait()
    for link in links:
        trust = _followed(link, trust)
    return _offered(last, trust, labels, now)


def again(envelope: bytes, trust: Trust) -> Policy:
    """Return the policy that was taken last, from the bytes that were kept.

    Raises:
        EvidenceError: these bytes are another, or were changed.
    """
    opened = policy.parse(envelope)
    if trust.signer is None or policy.digest(opened) != trust.digest:
        raise BadSignature("not the policy that was taken last")
    dsse.check(opened, bytes.fromhex(trust.signer))
    return policy.read(opened)


def _followed(link: bytes, trust: Trust) -> Trust:
    """Return the trust after a document that may name the next key; what is none of ours changes nothing."""
    try:
        found = policy.verified(link, bytes.fromhex(trust.key))
    except EvidenceError:
        return trust
    if found.next_key is None or found.issued <= trust.issued:
        return trust
    return _after(found, trust)


def _offered(envelope: bytes, trust: Trust, labels: dict[str, str], now: int) -> Judgement:
    digest, key = hashlib.sha256(envelope).hexdigest(), None
    try:
        opened = policy.parse(envelope)
        digest, key = policy.digest(opened), opened.key_id
        wanted = (trust.signer if digest == trust.digest else None) or trust.key
        if key != keys.key_id(bytes.fromhex(wanted)):
            message = f"signed by key {key[:16]}…, not by the one that is trusted"
            return Refusal("another key", message, digest, key=key)
        dsse.check(opened, bytes.fromhex(wanted))
        found = policy.read(opened)
    except EvidenceError as error:
        return Refusal(_ground(error), str(error), digest, key=key)
    objection = None if digest == trust.digest else _objection(found, trust, labels, now)
    if objection is not None:
        return Refusal(*objection, digest, found, key)
    if now < found.from_:
        return Wait(found.from_)
    after = trust if digest == trust.digest else _after(found, trust, digest)
    return Taken(found, envelope, digest, after)


def _ground(error: EvidenceError) -> Ground:
    if isinstance(error, TooLarge):
        return "too large"
    if isinstance(error, NotCanonical):
        return "not canonical"
    return "bad signature" if isinstance(error, BadSignature) else "bad document"


def _objection(found: Policy, trust: Trust, labels: dict[str, str], now: int) -> tuple[Ground, str] | None:
    """Return why a policy that the trusted key signed, and that was not taken yet, is not to be taken."""
    known = trust.versions.get(found.name, 0)
    if found.version == known:
        return "contradicts", f"another policy was taken as version {known} of {found.name}"
    if found.version < known or found.issued <= trust.issued:
        return "older", f"version {found.version} of {found.name} was issued before what was taken last"
    if not found.fits(labels):
        wanted = ", ".join(f"{name}={value}" for name, value in found.selector.items())
        return "not for this host", f"it is for hosts with {wanted}"
    if now >= found.until:
        return "expired", "its time is over"
    if not known and len(trust.versions) >= NAMES_LIMIT:
        return "unusable here", f"policies of {NAMES_LIMIT} names were taken already"
    return None


def _after(found: Policy, trust: Trust, digest: str | None = None) -> Trust:
    """Return the trust once found is taken, or, without its digest, once its next key is."""
    latest = max(found.version, trust.versions.get(found.name, 0))
    return msgspec.structs.replace(
        trust,
        key=found.next_key or trust.key,
        issued=found.issued,
        versions={**trust.versions, found.name: latest},
        digest=trust.digest if digest is None else digest,
        signer=trust.signer if digest is None else trust.key,
    )
