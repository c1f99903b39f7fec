"""DNS questions on their way: each waits for its answer, and is told without one when that takes too long."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from ..decode.bpf_dns import Packet
from ..decode.dns import Message
from ..gathered import Gathered

PATIENCE = 900_000_000
"""Nanoseconds after which a question is told unanswered; events must not be told later than a second."""
_LAST = 30_000_000_000
"""Nanoseconds in which an answer still counts."""
_KEPT = 4096

_Key = tuple[int, int, str, str]


class Exchange(msgspec.Struct, frozen=True, gc=False):
    """A question, and its answer with the time it came (CLOCK_BOOTTIME ns); None without one."""

    asked: Packet
    question: Message
    answered: int | None = None
    answer: Message | None = None


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A question without an answer, and whether it was told so."""

    exchange: Exchange
    told: bool


class Questions:
    """Questions without an answer, by socket, id, name and type."""

    def __init__(self, limit: int = _KEPT, kept: Gathered[Asked] | None = None) -> None:
        """Remember so many; kept holds those of a former run."""
        self._limit = limit
        self._kept = kept if kept is not None else Gathered(Asked)
        self._waiting: OrderedDict[_Key, Exchange] = OrderedDict()
        self._told: OrderedDict[_Key, Exchange] = OrderedDict()
        for asked in sorted(self._kept, key=lambda one: one.exchange.asked.mono):
            table = self._told if asked.told else self._waiting
            table[_key(asked.exchange.asked, asked.exchange.question)] = asked.exchange

    def __len__(self) -> int:
        """Return how many questions have not been told yet."""
        return len(self._waiting)

    def ask(self, packet: Packet, question: Message) -> Exchange | None:
        """Note a question; return another one that has to be told unanswered because there is no room left.

        One that is sent again before its answer counts once.
        """
        key = _key(packet, question)
        if key in self._waiting or key in self._told:
            return None
        exchange = Exchange(msgspec.structs.replace(packet, payload=b""), question)
        self._waiting[key] = exchange
        self._kept.put(_text(key), Asked(exchange, told=False))
        return self._give_up() if len(self._waiting) > self._limit else None

    def answer(self, packet: Packet, answer: Message) -> Exchange | None:
        """Return the exchange that an answer ends; None when nobody asked, so that it means nothing."""
        key = _key(packet, answer)
        found = self._waiting.pop(key, None) or self._told.pop(key, None)
        if found is None:
            return None
        self._kept.drop(_text(key))
        return Exchange(found.asked, found.question, packet.mono, answer)

    def overdue(self, mono: int) -> Iterator[Exchange]:
        """Yield the questions that were asked too long before mono and not told yet."""
        while self._waiting and mono - _oldest(self._waiting) > PATIENCE:
            yield self._give_up()
        while self._told and mono - _oldest(self._told) > _LAST:
            self._forget()

    def rest(self) -> Iterator[Exchange]:
        """Yield the questions that wait; nothing more will be asked."""
        while self._waiting:
            yield self._give_up()
        while self._told:
            self._forget()

    def _forget(self) -> None:
        key, _ = self._told.popitem(last=False)
        self._kept.drop(_text(key))

    def _give_up(self) -> Exchange:
        """Return the oldest question; its answer may still come."""
        key, exchange = self._waiting.popitem(last=False)
        self._told[key] = exchange
        self._kept.put(_text(key), Asked(exchange, told=True))
        if len(self._told) > self._limit:
            self._forget()
        return exchange


def _key(packet: Packet, message: Message) -> _Key:
    return packet.cookie, message.id, message.name, message.type


def _text(key: _Key) -> str:
    return " ".join(map(str, key))


def _oldest(table: OrderedDict[_Key, Exchange]) -> int:
    return next(iter(table.values())).asked.mono
