"""Read base64 and JSON so that no two readers can take the same signed bytes for different things."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, TypeVar

import msgspec

from .errors import CodecError

T = TypeVar("T")


def from_base64(text: str) -> bytes:
    """Return what standard base64 with padding stands for, if text is the one form of it.

    Raises:
        ValueError: it is not base64, or other text stands for the same bytes (spare bits that are not zero).
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"base64: {error}") from error
    if base64.b64encode(raw).decode() != text:
        raise ValueError("base64: not in its one form")
    return raw


def decode(decoder: msgspec.json.Decoder[T], raw: bytes, what: str) -> T:
    """Return the record that raw holds as JSON; fields that the record does not have are passed over.

    Raises:
        CodecError: it is no such record, not UTF-8, nested too deep, or names a field twice: of two fields of
            one name some readers would take the first, others the last.
    """
    try:
        value = decoder.decode(raw)
        if msgspec.json.encode(value) != raw:
            json.loads(raw.decode("utf-8"), object_pairs_hook=_once)
    except (msgspec.DecodeError, ValueError) as error:
        raise CodecError(f"{what}: {error}") from error
    except RecursionError as error:
        raise CodecError(f"{what}: nested too deep") from error
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"field {twice[:64]!r} is there twice")
    return found
