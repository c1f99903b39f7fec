"""Entries by which administrators change what an auditor concludes: settings and retention, as JSON."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from . import strict
from .errors import CodecError
from .statement import Count, Short

Text = Annotated[str, msgspec.Meta(max_length=4096)]


class Setting(msgspec.Struct, frozen=True, omit_defaults=True):
    """The payload of a setting entry: author set name (of object, where it is about one) to value.

    Names with a meaning here: ``contested`` (object an agent, value ``off``: its batches name persons again),
    ``legal_hold`` (object ``FIRST-LAST`` leaf indices, value ``on`` or ``off``).
    """

    name: Short
    value: Text
    time: Count
    author: Short
    reason: Text
    object: Short | None = None


class Retention(msgspec.Struct, frozen=True):
    """The payload of a retention entry: the data of entries first to last was deleted, what and why."""

    first: Count
    last: Count
    time: Count
    author: Short
    reason: Text
    action: Literal["data deleted"] = "data deleted"


_settings = msgspec.json.Decoder(Setting)
_retentions = msgspec.json.Decoder(Retention)


def setting(payload: bytes) -> Setting:
    """Read the payload of a setting entry.

    Raises:
        CodecError: a field is missing or wrong; the message names it.
    """
    return strict.decode(_settings, payload, "setting entry")


def retention(payload: bytes) -> Retention:
    """Read the payload of a retention entry.

    Raises:
        CodecError: a field is missing or wrong; the message names it.
    """
    return strict.decode(_retentions, payload, "retention entry")


def index_range(text: str) -> tuple[int, int]:
    """Return (first, last) of ``FIRST-LAST``.

    Raises:
        CodecError: it is not of that form, or first is above last.
    """
    first, dash, last = text.partition("-")
    digits = first.isascii() and first.isdecimal() and last.isascii() and last.isdecimal()
    if not (dash and digits and int(first) <= int(last)):
        raise CodecError(f"{text[:80]!r}: not a range of entries as FIRST-LAST")
    return int(first), int(last)
