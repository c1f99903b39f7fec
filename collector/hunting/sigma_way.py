"""The way of an event: our codec, the lake's columns, and back, as an analyst would read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

import msgspec

from evidence import codec
from evidence.event import stamp
from evidence.kind import Body
from evidence.kinds import BY_NAME

from ..lake import extract

_BODIES: Any = Union[tuple(BY_NAME.values())]  # noqa: UP007 - the members are found at run time
_decoder: msgspec.json.Decoder[Body] = msgspec.json.Decoder(_BODIES)


def through(bodies: Sequence[Body]) -> list[Body | None]:
    """Return bodies as they come out of the store; None for one that did not arrive whole."""
    if not bodies:
        return []
    events = [stamp(body, seq=seq, time=seq, mono=seq) for seq, body in enumerate(bodies, start=1)]
    decoded = [
        event for event in codec.decode(codec.encode(events)).events if not isinstance(event, codec.Unknown)
    ]
    if len(decoded) != len(events):
        return [None] * len(events)
    stored = extract.rows(decoded).select(["seq", "body"]).to_pydict()
    texts = dict(zip(stored["seq"], stored["body"], strict=True))
    return [body_of(texts.get(event.seq)) for event in events]


def body_of(text: str | None) -> Body | None:
    """Return the body that a JSON text is; None for none, or one that this version does not know."""
    try:
        return None if text is None else _decoder.decode(text)
    except msgspec.DecodeError:
        return None
