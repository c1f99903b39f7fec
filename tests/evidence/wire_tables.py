"""The tables of docs/wire.md, as the code has them."""

from __future__ import annotations

import types
import typing
from typing import Any, Literal, get_args, get_origin

import msgspec

from collector.chains import chains
from collector.enrolment import nonces, registrar, renewals
from collector.enrolment.routes import Limits
from collector.ingest import verify
from collector.settings import Settings
from evidence import (
    bundle,
    checkpoint,
    codec,
    dsse,
    enrolment,
    entry,
    frame,
    host_receipts,
    policy,
    receipt,
    seal,
)
from evidence.kind import Actor, Body, Endpoint, Part
from evidence.kinds import BY_NAME
from evidence.kinds.agent import LoggedIn, SensorHealth
from evidence.kinds.file import Explanation, FileState
from evidence.kinds.process import Ancestor
from evidence.kinds.state import Interface, User

PLAIN = {int: "integer", str: "string", bool: "boolean", float: "number", type(None): "null"}
PARTS: tuple[type[Part], ...] = (
    *(Actor, Endpoint, Ancestor, FileState, Explanation, SensorHealth, LoggedIn),
    *(Interface, User),
)


def type_name(shape: Any) -> str:
    """Return a type as the document names it."""
    origin, inner = get_origin(shape), get_args(shape)
    if origin is Literal:
        return " or ".join(f'"{value}"' for value in inner)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(type_name(one) for one in inner)
    if origin is tuple:
        names = [type_name(one) for one in inner if one is not Ellipsis]
        return f"array of {names[0]}" if Ellipsis in inner else f"[{', '.join(names)}]"
    if origin is dict:
        return f"object of {type_name(inner[1])}"
    return PLAIN.get(shape) or str(shape.__name__)


def field_rows(shape: type[msgspec.Struct]) -> list[str]:
    """Return a row for each field: name, type, and whether it must be there."""
    return [
        f"| `{field.encode_name}` | {type_name(field.type)} | {'yes' if field.required else ''} |".replace(
            "|  |", "| |"
        )
        for field in msgspec.structs.fields(shape)
        if not (issubclass(shape, Body) and field.name == "escaped")
    ]


def section(title: str, shape: type[msgspec.Struct]) -> str:
    """Return the section of a kind or a part of kinds."""
    said = " ".join((shape.__doc__ or "").replace("``", "`").split())
    lane = f" Lane `{shape.lane}`." if issubclass(shape, Body) else ""
    rows = field_rows(shape)
    return "\n".join(
        [f"#### `{title}`", "", said + lane, "", "| field | type | required |", "|---|---|---|", *rows, ""]
    )


def kinds() -> list[str]:
    """Return the sections of all parts and kinds."""
    return [
        *(section(part.__name__, part) for part in PARTS),
        *(section(name, body) for name, body in BY_NAME.items()),
    ]


LIMITS: dict[str, int] = {
    "bytes of an envelope": dsse.ENVELOPE_LIMIT,
    "bytes of a batch's compressed data": seal.DATA_LIMIT,
    "bytes of a batch's data after decompression": seal.RAW_LIMIT,
    "bytes of a batch's request": verify.BODY_LIMIT,
    "blocks of a zstd frame": frame.BLOCKS_LIMIT,
    "bytes of an event's line": codec.LINE_LIMIT,
    "bytes of an entry": entry.ENTRY_LIMIT,
    "bytes of a signed note": checkpoint.NOTE_LIMIT,
    "bytes of a receipt": receipt.RECEIPT_LIMIT,
    "hashes of a proof": receipt.PROOF_LIMIT,
    "bytes of an enrolment or renewal request": enrolment.REQUEST_LIMIT,
    "seconds a nonce is valid": nonces.LIFETIME // 10**9,
    "seconds in which an enrolment's reply is given again": registrar.REPEATABLE // 10**9,
    "days after a certificate's expiry in which the signing key renews it": renewals.RENEWABLE
    // (86_400 * 10**9),
    "days a client certificate is valid (default)": Settings().certificates.client_days,
    "enrolment requests of an address a minute": int(Limits().source_per_minute),
    "enrolment requests of an address at once": Limits().source_burst,
    "batches of an agent a minute (default)": Settings().ingest.agent_batches_per_minute,
    "bytes of an agent's batches a minute (default)": Settings().ingest.agent_bytes_per_minute,
    "holes of a chain": chains.HOLES,
    "second statements kept of a lane": chains.FORKS,
    "bytes of a line of host receipts": host_receipts.LINE_LIMIT,
    "bytes of a policy's envelope": policy.POLICY_LIMIT,
    "envelopes of policies handed over at once": policy.CHAIN_LIMIT,
    "bytes of policies handed over at once": policy.BUNDLE_LIMIT,
    "labels that a policy selects by": policy.LABELS_LIMIT,
    "bytes of a bundle's manifest": bundle.MANIFEST_LIMIT,
    "bytes of a bundle": bundle.BUNDLE_LIMIT,
}


def limit_rows() -> list[str]:
    """Return a row for each limit."""
    return [f"| {what} | {value:,} |" for what, value in LIMITS.items()]
