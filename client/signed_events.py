"""The events of a bundle's signed statements, by the process and session they belong to. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from evidence import codec, frame, opened, seal
from evidence.bundle import Bundle
from evidence.entry import EntryType
from evidence.errors import EvidenceError
from evidence.event import Event
from evidence.kind import Body

SessionKey = tuple[str, str, int]
"""Agent, boot id, audit session."""


class SignedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event, and the host, key epoch and boot of the statement that signed it."""

    agent: str
    epoch: int
    boot: str
    event: Event[Body]

    @property
    def uid(self) -> str:
        """The event's stable name, ``agent:epoch:seq``."""
        return f"{self.agent}:{self.epoch}:{self.event.seq}"

    @property
    def session(self) -> SessionKey | None:
        """The audit session it happened in, where its host knew it."""
        who = getattr(self.event.body, "actor", None) or self.event.body
        number = getattr(who, "session", None)
        return None if number is None else (self.agent, self.boot, number)


def signed_events(bundle: Bundle) -> Iterator[SignedEvent]:
    """Yield the events of every statement whose signature and data hold; what does not, `audit` names."""
    for one in opened.open_pieces(bundle.pieces, []).statements:
        if one.data is None or one.type is not EntryType.BATCH:
            continue
        try:
            decoded = codec.decode(frame.decompress(one.data, seal.RAW_LIMIT))
        except EvidenceError:
            continue
        for event in decoded.events:
            known = event.known if isinstance(event, codec.Unknown) else event
            if known is not None:
                yield SignedEvent(one.said.agent, one.said.epoch, one.said.boot, known)
