"""Why a collector refuses a request: every code, its HTTP status, and whether asking again can help."""

from __future__ import annotations

import enum

import msgspec


class Code(enum.StrEnum):
    """The codes of docs/wire.md, cheapest check first."""

    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    DISK_FULL = "disk_full"
    NOT_THIS_AGENT = "not_this_agent"
    UNKNOWN_AGENT = "unknown_agent"
    REVOKED = "revoked"
    NOT_CANONICAL = "not_canonical"
    BAD_SIGNATURE = "bad_signature"
    BAD_STATEMENT = "bad_statement"
    WRONG_EPOCH = "wrong_epoch"
    BAD_DIGEST = "bad_digest"
    BAD_FRAME = "bad_frame"
    DATA_MISSING = "data_missing"
    EQUIVOCATION = "equivocation"
    REFUSED = "refused"
    BAD_REQUEST = "bad_request"
    NOT_FOUND = "not_found"
    FAULT = "fault"


STATUS: dict[Code, int] = {
    Code.TOO_LARGE: 413,
    Code.RATE_LIMITED: 429,
    Code.OVERLOADED: 503,
    Code.DISK_FULL: 503,
    Code.NOT_THIS_AGENT: 403,
    Code.UNKNOWN_AGENT: 403,
    Code.REVOKED: 403,
    Code.NOT_CANONICAL: 400,
    Code.BAD_SIGNATURE: 400,
    Code.BAD_STATEMENT: 400,
    Code.WRONG_EPOCH: 400,
    Code.BAD_DIGEST: 400,
    Code.BAD_FRAME: 400,
    Code.DATA_MISSING: 409,
    Code.EQUIVOCATION: 409,
    Code.REFUSED: 403,
    Code.BAD_REQUEST: 400,
    Code.NOT_FOUND: 404,
    Code.FAULT: 500,
}
RETRY = frozenset({Code.RATE_LIMITED, Code.OVERLOADED, Code.DISK_FULL, Code.DATA_MISSING, Code.FAULT})
"""Codes after which the same request may succeed later; after any other it never will."""


class Refusal(msgspec.Struct, frozen=True):
    """The JSON body of every refusal."""

    code: Code
    message: str
