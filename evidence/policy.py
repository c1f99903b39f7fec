"""Fleet policy: a document signed offline that says what hosts watch. Pure; form and signature alone.

A document is a DSSE envelope of POLICY_TYPE, which no other signature of this project has. Which of several
documents a host takes is the agent's to judge; here is what they are.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated

import msgspec

from . import dsse
from .dsse import Envelope
from .errors import CodecError, NotCanonical, TooLarge
from .keys import Signer
from .policy_settings import PolicySettings
from .statement import Count, Hash, Ordinal

POLICY_TYPE = "application/vnd.vedette.policy.v1+json"
POLICY_LIMIT = 16_384
"""Bytes of an envelope."""
CHAIN_LIMIT = 7
"""Envelopes that are handed over at once: those that named a next key, then the one that is offered."""
BUNDLE_LIMIT = CHAIN_LIMIT * (POLICY_LIMIT + 1)
"""Bytes of what is handed over at once."""
LABELS_LIMIT = 16

_PLAIN = r"^[^\x00-\x1f\x7f-\x9f]*\Z"
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\Z")]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=_PLAIN)]
Note = Annotated[str, msgspec.Meta(max_length=512, pattern=_PLAIN)]
_KEY = re.compile(r"vpk1\.([0-9a-f]{64})")


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is signed. Times are UTC ns; a host needs all labels of selector; next_key signs what follows."""

    name: Name
    version: Ordinal
    issued: Count
    from_: Count = msgspec.field(name="from")
    until: Count
    settings: PolicySettings
    selector: dict[Label, Label] = {}
    next_key: Hash | None = None
    note: Note = ""

    def __post_init__(self) -> None:
        """Check what the fields say together.

        Raises:
            ValueError: it holds at no time, holds before it was issued, or asks for too many labels.
        """
        if not self.issued <= self.from_ < self.until:
            raise ValueError("a policy is issued first, holds from then or later, and until later still")
        if len(self.selector) > LABELS_LIMIT:
            raise ValueError(f"selector: {len(self.selector)} labels, at most {LABELS_LIMIT}")

    def fits(self, labels: dict[str, str]) -> bool:
        """Return whether a host with these labels is meant."""
        return all(labels.get(key) == value for key, value in self.selector.items())


_decoder = msgspec.json.Decoder(Policy)


def encode(policy: Policy) -> bytes:
    """Return a policy's payload in its one form."""
    return msgspec.json.encode(policy, order="deterministic")


def sign(policy: Policy, signer: Signer) -> bytes:
    """Return the envelope of a policy.

    Raises:
        TooLarge: it would exceed POLICY_LIMIT.
    """
    return dsse.encode(encode(policy), POLICY_TYPE, signer, POLICY_LIMIT)


def parse(envelope: bytes) -> Envelope:
    """Read an envelope, without judging its signature or reading its payload.

    Raises:
        TooLarge: it is longer than POLICY_LIMIT.
        NotCanonical: it is not in its one form.
    """
    return dsse.parse(envelope, POLICY_TYPE, POLICY_LIMIT)


def read(envelope: Envelope) -> Policy:
    """Read the payload of an envelope; check the signature first.

    Raises:
        CodecError: a field is missing, unknown, wrong or below the floor; the message names it.
        NotCanonical: it is not byte for byte what `encode` would write.
    """
    try:
        policy = _decoder.decode(envelope.payload)
    except (msgspec.DecodeError, ValueError) as error:
        raise CodecError(f"policy: {error}") from error
    except RecursionError as error:
        raise CodecError("policy: nested too deep") from error
    if encode(policy) != envelope.payload:
        raise NotCanonical("policy: not in its one form (order of fields, white space, or a field twice)")
    return policy


def verified(envelope: bytes, public: bytes) -> Policy:
    """Return the policy that the holder of a public key (raw) signed.

    Raises:
        EvidenceError: it is none, or another key signed it.
    """
    opened = parse(envelope)
    dsse.check(opened, public)
    return read(opened)


def digest(envelope: Envelope) -> str:
    """Return the hex SHA-256 of a policy's payload, by which everybody names it."""
    return hashlib.sha256(envelope.payload).hexdigest()


def bundle(envelopes: tuple[bytes, ...]) -> bytes:
    """Return envelopes as they are handed over, one a line; the last is the one that is offered.

    Raises:
        TooLarge: there are more than CHAIN_LIMIT.
    """
    if len(envelopes) > CHAIN_LIMIT:
        raise TooLarge(f"policies: {len(envelopes)} envelopes, at most {CHAIN_LIMIT}")
    return b"".join(envelope + b"\n" for envelope in envelopes)


def unbundle(raw: bytes) -> tuple[bytes, ...]:
    """Return the envelopes of a bundle, none of them judged.

    Raises:
        TooLarge: there are too many, or too many bytes.
        NotCanonical: the last line is not ended, or there is none.
    """
    if len(raw) > BUNDLE_LIMIT:
        raise TooLarge(f"policies: more than {BUNDLE_LIMIT} bytes")
    lines = raw.split(b"\n")
    if len(lines) - 1 > CHAIN_LIMIT:
        raise TooLarge(f"policies: {len(lines) - 1} envelopes, at most {CHAIN_LIMIT}")
    if len(lines) < 2 or lines[-1]:  # noqa: PLR2004 - an envelope and what follows its line's end
        raise NotCanonical("policies: not one envelope a line, each line ended")
    return tuple(lines[:-1])


def key_line(public: bytes) -> str:
    """Return a public key as the line that hosts pin."""
    return f"vpk1.{public.hex()}"


def parse_key(line: str) -> bytes:
    """Return the raw public key of such a line.

    Raises:
        CodecError: it is not of the form ``vpk1.<64 hex>``.
    """
    match = _KEY.fullmatch(line.strip())
    if match is None:
        raise CodecError("policy key: not of the form vpk1.<64 hex>; copy the whole line")
    return bytes.fromhex(match[1])
