"""A chain of statements with a hole that stays open, a link that does not fit, or a place taken twice."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ..bounded import remember
from ..record import Arrival, Record
from ..rule import Correlation, Finding, Parameter, Site, Story

_PATIENCE = Parameter(
    "patience", 600, "seconds", "a backlog is sent in any order; ten minutes close its holes"
)
_CHAINS_LIMIT = 200_000
_WAITING_LIMIT = 5000
_NS = 1_000_000_000


class Waiting(msgspec.Struct, frozen=True):
    """A statement beyond a hole."""

    digest: str
    prev: str
    received: int


class Chain(msgspec.Struct, gc=False):
    """One lane of one epoch: the last statement without a hole before it, and what waits beyond."""

    agent: str
    lane: str
    last: int = 0
    digest: str | None = None
    waiting: dict[int, Waiting] = {}
    told: int = 0


class State(msgspec.Struct):
    """By ``agent|epoch|lane``."""

    chains: dict[str, Chain] = {}


def _arrived(state: State, arrival: Arrival, _site: Site) -> Iterable[Finding]:
    name = f"{arrival.agent}|{arrival.epoch}|{arrival.lane}"
    if arrival.equivocation:
        yield _finding(
            arrival.agent,
            f"{name}|{arrival.seq}|{arrival.digest}",
            f"agent {arrival.agent} signed two statements as {arrival.lane} {arrival.seq}: its key is in use "
            "twice, or its disk was rolled back",
            arrival.received,
        )
        return
    chain = state.chains.get(name)
    if chain is None:
        chain = Chain(arrival.agent, arrival.lane)
        remember(state.chains, name, chain, _CHAINS_LIMIT)
    if arrival.seq <= chain.last:
        return
    chain.waiting[arrival.seq] = Waiting(arrival.digest, arrival.prev, arrival.received)
    if len(chain.waiting) > _WAITING_LIMIT:
        chain.last, chain.digest = min(chain.waiting) - 1, None
    yield from _advance(chain, name)


def _advance(chain: Chain, name: str) -> Iterable[Finding]:
    """Follow the links as far as they are there."""
    while (following := chain.waiting.pop(chain.last + 1, None)) is not None:
        chain.last += 1
        if chain.digest is not None and following.prev != chain.digest:
            yield _finding(
                chain.agent,
                f"{name}|{chain.last}|{following.digest}",
                f"agent {chain.agent}: {chain.lane} {chain.last} does not follow the statement before it",
                following.received,
            )
        chain.digest = following.digest


def _passed(state: State, now: int, site: Site) -> Iterable[Finding]:
    patience = int(site.number(_ID, _PATIENCE) * _NS)
    for name, chain in state.chains.items():
        if not chain.waiting:
            continue
        end = min(chain.waiting) - 1
        since = min(item.received for item in chain.waiting.values())
        if end <= chain.told or now - since <= patience:
            continue
        chain.told = end
        yield _finding(
            chain.agent,
            f"{name}|{chain.last + 1}|{end}",
            f"agent {chain.agent}: {chain.lane} {chain.last + 1} to {end} did not arrive, what follows did",
            since + patience,
        )


def _finding(agent: str, entity: str, summary: str, time: int) -> Finding:
    return Finding(
        entity=entity, summary=summary, time=time, agent=agent, host=agent, evidence=(f"chain:{entity}",)
    )


def _step(_state: State, _record: Record, _site: Site) -> Iterable[Finding]:
    return ()


def _statement(seq: int, at: float = 0.0, *, prev: str | None = None, twin: bool = False) -> Arrival:
    return Arrival(
        "web1", 1, "bulk", seq, f"d{seq}", prev or f"d{seq - 1}", seq, int(at * _NS), 0, equivocation=twin
    )


_ID = "chain-broken"

CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Chain of evidence broken",
    severity="high",
    attack=("T1070", "T1565.001"),
    kinds=(),
    state=State,
    step=_step,
    arrived=_arrived,
    passed=_passed,
    parameters=(_PATIENCE,),
    hits=(
        Story("a hole stays open", arrivals=(_statement(1), _statement(4, 1)), until=700),
        Story("a link does not fit", arrivals=(_statement(1), _statement(2, 1, prev="other"))),
        Story("a cloned host", arrivals=(_statement(1), _statement(1, 1, twin=True))),
    ),
    misses=(
        Story(
            "a backlog arrives in any order",
            arrivals=(_statement(3), _statement(1, 1), _statement(2, 2)),
            until=700,
        ),
        Story("a hole that is still young", arrivals=(_statement(1), _statement(4, 1)), until=300),
    ),
)
