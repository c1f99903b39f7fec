"""DNS from the kernel, by dns.bpf.c: who asked, what was answered, and names for connections' addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from evidence.kind import Actor, Body
from evidence.kinds.agent import Loss
from evidence.kinds.dns import Query

from ..decode import bpf_dns, dns, tls_hello
from ..decode.bpf_dns import Packet, PacketKind
from ..dns_names import DnsNames
from ..errors import RungUnavailable
from ..gathered import Gathered
from ..kernel.bpf_reader import AWAKE, RingReader
from ..sensor import Context, Filtered, Moment, Observed
from ..settings import Settings
from .dns_questions import Asked, Exchange, Questions
from .dns_repeats import Repeated, Repeats
from .dns_trigger import ask_once
from .filters import CAUSE, SUGGESTION, Filters
from .socket_owner import actor_of
from .tally import Tally, kept_counts

T = TypeVar("T")

_RING_BYTES = 1 << 20
_PORTS = 4
"""Of each list, as in dns.bpf.c."""
_LEAST_TTL = 300
"""Seconds for which a name stands at least: programs keep addresses longer than the answer allows."""
_ADDRESSES = ("A", "AAAA")
_SUGGESTIONS = {
    "ring_full": "give the agent more CPU: raise CPUQuota of its unit",
    "too many questions": "raise [dns] questions_per_minute",
    CAUSE: SUGGESTION,
    "rate_limited": "look who sends so much to a DNS port: a resolver, or a tunnel",
}


class BpfFeed:
    """The one rung of the DNS sensor.

    An exchange is given out one read after it ended, so that the exec of its process has been seen by then.
    """

    def __init__(self, context: Context) -> None:
        """Load dns.bpf.c and tell it the ports.

        Raises:
            RungUnavailable: it does not load here, or no port is set.
        """
        settings = context.settings.dns
        if not settings.ports:
            raise RungUnavailable("[dns] ports is empty", fix="set it to [53]")
        self._processes = context.processes
        self._names = context.names
        self._port = settings.ports[0]
        self._reader = RingReader("dns", _RING_BYTES, context.rings)
        self._filters = Filters(self._reader.object, settings.ignore, context.own)
        self._set_ports(settings.ports, settings.tls_ports)
        self._tally = Tally("dns", _SUGGESTIONS, kept_counts(context.rings))
        asked, repeated = _kept(context, "asked", Asked), _kept(context, "repeated", Repeated)
        self._kept = _kept(context, "held", Exchange)
        self._tally.add("other version", asked.lost() + repeated.lost() + self._kept.lost())
        self._questions = Questions(kept=asked)
        self._repeats = Repeats(settings.questions_per_minute, kept=repeated)
        self._untold = 0
        self._held = list(self._kept)

    @property
    def period(self) -> float:
        """Seconds until the next timed read."""
        return AWAKE if self._held or self._questions else self._reader.period

    def filenos(self) -> tuple[int, ...]:
        """Return the ring's descriptor."""
        return (self._reader.fileno(),)

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return the exchanges of the read before, and repeats that are due."""
        due = self._release()
        self._hold(self._reader.read())
        self._held += self._questions.overdue(now.mono)
        for number, one in enumerate(self._held):
            self._kept.put(str(number), one)
        return self._told(due, self._repeats.due(now.mono))

    def rest(self, now: Moment) -> Iterable[Observed]:  # noqa: ARG002 - each exchange has its own time
        """Return what is held back, what the ring still holds, what waits for an answer, and all repeats."""
        self._hold(self._reader.rest())
        return self._told([*self._release(), *self._questions.rest()], self._repeats.rest())

    def losses(self, now: Moment) -> Iterable[Loss]:
        """Return what the ring could not take, what could not be decoded, and what was too much to tell."""
        for cause, count in self._reader.lost().items():
            self._tally.add(cause, count)
        self._filters.tell(self._tally)
        return self._tally.take(now)

    def filtered(self) -> Filtered:
        """Return what the settings had the programs leave out."""
        return self._filters.state()

    def retune(self, settings: Settings) -> None:
        """Leave out in the kernel what other settings name; nothing else of them concerns an open feed.

        Raises:
            RungUnavailable: the kernel does not take it.
        """
        self._filters.retune(settings.dns.ignore, self._tally)

    def trigger(self) -> Callable[[Body], bool]:
        """Ask this process for a name on the loopback."""
        return ask_once(self._port)

    def close(self) -> None:
        """Unload."""
        self._filters.close()
        self._reader.close()

    def _release(self) -> list[Exchange]:
        """Return what was held back since the read before."""
        due, self._held = self._held, []
        for number in range(len(due)):
            self._kept.drop(str(number))
        return due

    def _hold(self, records: Iterable[bytes]) -> None:
        """Hold the exchanges back that these records end."""
        for raw in records:
            try:
                self._held += self._take(bpf_dns.parse(raw))
            except ValueError:
                self._tally.add("undecodable")

    def _told(self, due: list[Exchange], repeated: Iterable[tuple[int, Query]]) -> list[Observed]:
        """Return the events of exchanges that are no repeats, and of repeats that are due."""
        found = [
            Observed(body, mono=one.asked.mono)
            for one in due
            if self._repeats.first(body := to_body(one, self._actor(one)), one.asked.mono)
        ]
        found += (Observed(body, mono=mono) for mono, body in repeated)
        self._tally.add("too many questions", self._repeats.untold - self._untold)
        self._untold = self._repeats.untold
        return found

    def _set_ports(self, asked: tuple[int, ...], tls: tuple[int, ...]) -> None:
        """Fill struct port_lists of dns.bpf.c."""
        word = self._reader.object.mapped_word("ports")
        with memoryview(word) as view, view.cast("H") as lists:
            for number in range(_PORTS):
                lists[number] = (*asked, *(0,) * _PORTS)[number]
                lists[_PORTS + number] = (*tls, *(0,) * _PORTS)[number]
        word.close()

    def _take(self, packet: Packet) -> Iterator[Exchange]:
        """Yield the exchanges that a packet ends, and learn names from it.

        Raises:
            ValueError: it holds no DNS message.
        """
        if packet.kind is PacketKind.HELLO:
            learn_hello(packet, self._names)
            return
        message = dns.parse(packet.payload, cut=packet.cut)
        if message.response != (packet.kind is PacketKind.ANSWER):
            raise ValueError("a question from the server's port, or an answer to it")
        if message.response:
            ended = self._questions.answer(packet, message)
            learn(ended, self._names)
        else:
            ended = self._questions.ask(packet, message)
        if ended is not None:
            yield ended

    def _actor(self, exchange: Exchange) -> Actor | None:
        return actor_of(exchange.asked.owner, self._processes, exchange.asked.mono)


def _kept(context: Context, name: str, shape: type[T]) -> Gathered[T]:
    """Return what a former run has gathered; nothing where nothing outlives a kill."""
    return Gathered(shape) if context.rings is None else context.rings.gathered(name, shape)


def learn(exchange: Exchange | None, names: DnsNames) -> None:
    """Note the name that was asked for with each address it was answered with."""
    if exchange is None or exchange.answer is None or exchange.answered is None:
        return
    for answer in exchange.answer.answers:
        if answer.type in _ADDRESSES:
            until = exchange.answered + max(answer.ttl, _LEAST_TTL) * 1_000_000_000
            names.learn(answer.data, exchange.question.name, until)


def learn_hello(packet: Packet, names: DnsNames) -> None:
    """Note whom a TLS client asks for, where no answer named the address."""
    if names.find(packet.server.ip, packet.mono) is not None:
        return
    with suppress(ValueError):  # it only looked like a ClientHello
        name = tls_hello.server_name(packet.payload)
        if name is not None:
            names.learn_flow(packet.cookie, name)


def to_body(exchange: Exchange, actor: Actor | None) -> Query:
    """Return the event of an exchange."""
    asked, question, answer = exchange.asked, exchange.question, exchange.answer
    ttls = [one.ttl for one in answer.answers] if answer is not None else []
    return Query(
        name=question.name,
        type=question.type,
        server=asked.server,
        protocol=asked.protocol,
        rcode=None if answer is None else answer.rcode,
        answers=None if answer is None else tuple(one.data for one in answer.answers),
        ttl=min(ttls, default=None),
        duration=None if exchange.answered is None else max(0, exchange.answered - asked.mono),
        actor=actor,
    )
