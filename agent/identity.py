"""Who this host is: what enrolment gave it, its signing key, and the machine they belong to.

``identity.json`` is one line of JSON and one line with its SHA-256. It is written once, last of all files.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import msgspec

from evidence.checkpoint import VerifierKey, parse_vkey
from evidence.enrolment import Facts
from evidence.errors import EvidenceError
from evidence.keys import PrivateKey
from evidence.statement import AgentId, Hash, Ordinal

from . import machine
from .errors import IdentityError, NotEnrolled
from .layout import Layout
from .spool.disk import LocalDisk

_LIMIT = 1 << 20
KEY_BYTES = 32
_AGAIN = "run `vedette-agent reset-identity`, then `vedette-agent enroll` with a new token"


class Stored(msgspec.Struct, frozen=True):
    """The content of identity.json. redaction_key is base64; checkpoint is the enrolment receipt's note."""

    agent: AgentId
    epoch: Ordinal
    entry: Hash
    ledger: str
    redaction_key: str
    checkpoint: str
    public: Hash
    facts: Facts
    labels: dict[str, str] = {}
    """Those of the enrolment's entry."""
    policy_key: Hash | None = None
    """The public key of the fleet's policy, pinned at enrolment."""


class Binding(msgspec.Struct, frozen=True):
    """What ship may know: whose certificate it holds, and which machine that is for."""

    agent: AgentId
    epoch: Ordinal
    facts: Facts


class Identity(msgspec.Struct, frozen=True):
    """The host's identity, complete and checked."""

    agent: str
    epoch: int
    entry: str
    """SHA-256 of the enrolment entry, which both lanes' first statements quote."""
    ledger: VerifierKey
    checkpoint: str
    """The signed note of the enrolment's receipt."""
    facts: Facts
    labels: dict[str, str]
    policy_key: bytes | None
    """The pinned public key of the fleet's policy."""
    redaction_key: bytes
    spool_key: bytes
    signer: PrivateKey

    def __repr__(self) -> str:
        """Name the host; its secrets must not get into a log."""
        return f"Identity(agent={self.agent!r}, epoch={self.epoch})"


def encode(stored: Stored) -> bytes:
    """Return the file's bytes."""
    line = msgspec.json.encode(stored)
    return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"


def decode(raw: bytes, name: str) -> Stored:
    """Read the file's bytes; name is for messages.

    Raises:
        IdentityError: the checksum does not fit, or a field is wrong.
    """
    line, _, rest = raw.partition(b"\n")
    if hashlib.sha256(line).hexdigest().encode() != rest.strip():
        raise IdentityError(f"{name}: damaged, its checksum does not fit; restore it, or {_AGAIN}")
    try:
        return msgspec.json.decode(line, type=Stored)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IdentityError(f"{name}: {error}; {_AGAIN}") from error


def load(layout: Layout, now: Facts | None = None) -> Identity:
    """Return the identity of this host; now are the machine's facts, read if None.

    Raises:
        NotEnrolled: there is none yet.
        IdentityError: a part is missing or damaged, or this machine is a clone of the enrolled one.
    """
    stored = read(layout)
    try:
        ledger = parse_vkey(stored.ledger)
        redaction_key = base64.b64decode(stored.redaction_key, validate=True)
    except (EvidenceError, ValueError) as error:
        raise IdentityError(f"{layout.identity}: {error}; {_AGAIN}") from error
    signer = PrivateKey(read_key(layout.signing_key))
    if signer.public.hex() != stored.public:
        raise IdentityError(f"{layout.signing_key}: not the key that was enrolled; {_AGAIN}")
    check_machine(stored.facts, now or machine.read())
    return Identity(
        agent=stored.agent,
        epoch=stored.epoch,
        entry=stored.entry,
        ledger=ledger,
        checkpoint=stored.checkpoint,
        facts=stored.facts,
        labels=stored.labels,
        policy_key=bytes.fromhex(stored.policy_key) if stored.policy_key else None,
        redaction_key=redaction_key,
        spool_key=read_key(layout.spool_key),
        signer=signer,
    )


def read(layout: Layout) -> Stored:
    """Return identity.json alone, as commands that only report need it.

    Raises:
        NotEnrolled: there is none.
        IdentityError: it is damaged or cannot be read.
    """
    return decode(_read(layout.identity), str(layout.identity))


def load_binding(layout: Layout, now: Facts | None = None) -> Binding:
    """Return what ship knows of the identity.

    Raises:
        NotEnrolled: there is none.
        IdentityError: it is damaged, or this machine is a clone of the enrolled one.
    """
    try:
        binding = msgspec.json.decode(_read(layout.binding), type=Binding)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IdentityError(f"{layout.binding}: {error}; {_AGAIN}") from error
    check_machine(binding.facts, now or machine.read())
    return binding


def check_machine(enrolled: Facts, now: Facts) -> None:
    """Check that this is the machine that was enrolled.

    Raises:
        IdentityError: it is a copy; the old identity must not speak from here.
    """
    difference = machine.moved(enrolled, now)
    if difference is not None:
        raise IdentityError(f"this machine is a copy of the enrolled one: {difference}; {_AGAIN}")


def read_key(path: Path) -> bytes:
    """Return a key of 32 raw bytes.

    Raises:
        NotEnrolled: there is none.
        IdentityError: it cannot be read, or is no key.
    """
    raw = _read(path)
    if len(raw) != KEY_BYTES:
        raise IdentityError(f"{path}: {len(raw)} bytes, a key has {KEY_BYTES}; {_AGAIN}")
    return raw


def _read(path: Path) -> bytes:
    try:
        return LocalDisk().read(path, 0, _LIMIT)
    except FileNotFoundError as error:
        raise NotEnrolled(f"not enrolled ({path} is missing): run `vedette-agent enroll`") from error
    except OSError as error:
        raise IdentityError(f"{path}: {error.strerror or error}; run as root") from error
