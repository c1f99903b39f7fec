"""Decide whether a posted batch is what an enrolled agent sealed: cheapest check first. Pure.

Order: size, identity of the connection, revocation, canonical envelope, owner of the key, signature, fields
of the statement, hash and length of the data, its frame. Each refusal has its own code; nothing is
decompressed.
"""

from __future__ import annotations

import msgspec

from evidence import dsse, seal, statement
from evidence.errors import BadDigest, BadFrame, BadSignature, CodecError, NotCanonical, TooLarge
from evidence.refusal import Code
from evidence.statement import Statement

from ..chains.registry import Epoch, Registry
from ..errors import Refused

BODY_LIMIT = 4 + dsse.ENVELOPE_LIMIT + seal.DATA_LIMIT
"""Bytes a request may have."""


class Request(msgspec.Struct, frozen=True):
    """A body split in two; nothing is verified yet."""

    envelope: bytes
    data: bytes


class Verified(msgspec.Struct, frozen=True):
    """A batch that its agent sealed. data is empty where it was given up, which is still to be justified."""

    statement: Statement
    digest: str
    envelope: bytes
    data: bytes
    epoch: Epoch


def split(body: bytes) -> Request:
    """Return envelope and data of a posted body.

    Raises:
        Refused: too_large, or bad_request where it is shorter than it says.
    """
    try:
        return Request(*seal.split_request(body))
    except TooLarge as error:
        raise Refused(Code.TOO_LARGE, str(error)) from error
    except CodecError as error:
        raise Refused(Code.BAD_REQUEST, str(error)) from error


def peer(agent: str | None, registry: Registry) -> str:
    """Return the agent a connection's certificate speaks for.

    Raises:
        Refused: unknown_agent, or revoked where all its keys are.
    """
    if agent is None or not registry.is_known(agent):
        raise Refused(Code.UNKNOWN_AGENT, "the certificate names no agent of this collector; enrol again")
    if registry.is_revoked(agent):
        raise Refused(Code.REVOKED, f"agent {agent} is revoked")
    return agent


def verify(request: Request, agent: str, registry: Registry) -> Verified:
    """Verify a request that came over a connection of agent.

    Raises:
        Refused: by what was wrong first.
    """
    envelope = _envelope(request.envelope)
    epoch = _owner(envelope, agent, registry)
    try:
        dsse.check(envelope, epoch.public)
    except BadSignature as error:
        raise Refused(Code.BAD_SIGNATURE, f"envelope: {error}") from error
    said = _statement(envelope.payload, epoch)
    if request.data:
        _check_data(said, request.data)
    return Verified(said, statement.digest(envelope.payload), request.envelope, request.data, epoch)


def _envelope(raw: bytes) -> dsse.Envelope:
    try:
        return dsse.parse(raw, statement.PAYLOAD_TYPE)
    except NotCanonical as error:
        raise Refused(Code.NOT_CANONICAL, str(error)) from error
    except TooLarge as error:
        raise Refused(Code.TOO_LARGE, str(error)) from error


def _owner(envelope: dsse.Envelope, agent: str, registry: Registry) -> Epoch:
    epoch = registry.by_key(envelope.key_id)
    if epoch is None:
        raise Refused(Code.BAD_SIGNATURE, f"envelope: key {envelope.key_id[:16]}… was never enrolled")
    if epoch.agent != agent:
        raise Refused(Code.NOT_THIS_AGENT, f"envelope: signed by another agent than {agent}")
    if epoch.revoked_at is not None:
        raise Refused(Code.REVOKED, f"agent {agent}: epoch {epoch.epoch} is revoked")
    return epoch


def _statement(payload: bytes, epoch: Epoch) -> Statement:
    try:
        said = statement.from_bytes(payload)
    except CodecError as error:
        raise Refused(Code.BAD_STATEMENT, str(error)) from error
    if said.agent != epoch.agent:
        raise Refused(Code.NOT_THIS_AGENT, "statement: agent is not the one whose key signed it")
    if said.epoch != epoch.epoch:
        raise Refused(Code.WRONG_EPOCH, f"statement: epoch {said.epoch}, the key is of epoch {epoch.epoch}")
    if said.codec != statement.CODEC:
        raise Refused(Code.BAD_STATEMENT, f"statement: codec is {said.codec!r}, expected {statement.CODEC!r}")
    for gone in said.dropped:
        newest = said.seq - 1 if gone.lane == said.lane else said.other.seq
        if not gone.first <= gone.last <= newest:
            raise Refused(
                Code.BAD_STATEMENT, f"statement: dropped {gone.lane} {gone.first} to {gone.last} is no past"
            )
    return said


def _check_data(said: Statement, data: bytes) -> None:
    try:
        seal.check_data(said, data)
    except BadDigest as error:
        raise Refused(Code.BAD_DIGEST, str(error)) from error
    except TooLarge as error:
        raise Refused(Code.TOO_LARGE, str(error)) from error
    except BadFrame as error:
        raise Refused(Code.BAD_FRAME, str(error)) from error
