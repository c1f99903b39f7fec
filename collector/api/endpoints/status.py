"""How the fleet and the store are: each agent's chains, who is silent, how far the store is behind."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ...questions import fetch, queries
from ...users import Role
from ...version import VERSION
from ..endpoint import Call, Endpoint, Stream

SILENT_SECONDS = 180
"""An agent that sends heartbeats each minute is silent after this."""
State = Literal["live", "silent", "stopped", "quiet"]


class Lane(msgspec.Struct, frozen=True):
    """Where one chain of an agent stands; times are UTC ns."""

    lane: str
    epoch: int
    seq: int
    statements: int
    events: int
    received: int
    contested: bool


class Agent(msgspec.Struct, frozen=True, omit_defaults=True):
    """An agent; quiet ones never sent a heartbeat, such as the collector itself."""

    agent: str
    host: str | None
    state: State
    lanes: tuple[Lane, ...]
    version: str | None = None
    last_event: int | None = None
    received: int | None = None


class Store(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the lake holds; entries is how many of the ledger are in it, newest its newest event's time."""

    events: int
    alerts: int
    entries: int | None = None
    newest: int | None = None


class Status(msgspec.Struct, frozen=True):
    """Fine when problems is empty; now is the collector's clock, UTC ns."""

    now: int
    version: str
    user: str
    role: str
    store: Store
    agents: tuple[Agent, ...]
    problems: tuple[str, ...]


def _status(call: Call) -> msgspec.Struct | Stream:
    now = call.services.clock()
    with call.connect() as connection:
        totals = call.rows(connection, queries.counts())[0]
        hosts = {row["agent"]: row for row in call.rows(connection, queries.hosts())}
        chains = call.rows(connection, queries.chains())
    agents = tuple(
        _agent(agent, hosts.get(agent, {}), [row for row in chains if row["agent"] == agent], now)
        for agent in sorted(hosts.keys() | {row["agent"] for row in chains})
    )
    user = call.user
    return Status(
        now=now,
        version=VERSION,
        user=user.name if user else "",
        role=user.role if user else "",
        store=Store(**totals),
        agents=agents,
        problems=tuple(_problems(agents, now)),
    )


def _agent(agent: str, host: fetch.Row, chains: list[fetch.Row], now: int) -> Agent:
    received = max((row["received"] for row in chains), default=host.get("received"))
    return Agent(
        agent=agent,
        host=host.get("host"),
        state=_state(host.get("said"), received, now),
        lanes=tuple(_lane(row) for row in chains),
        version=next((row["version"] for row in chains if row["version"]), None),
        last_event=host.get("time"),
        received=received,
    )


def _lane(row: dict[str, Any]) -> Lane:
    return Lane(
        lane=row["lane"],
        epoch=row["epoch"],
        seq=row["seq"],
        statements=row["statements"],
        events=row["events"] or 0,
        received=row["received"],
        contested=bool(row["contested"]),
    )


def _state(said: str | None, received: int | None, now: int) -> State:
    if said is None:
        return "quiet"
    if said == "agent.stop":
        return "stopped"
    return "silent" if received is None or now - received > SILENT_SECONDS * 10**9 else "live"


def _problems(agents: tuple[Agent, ...], now: int) -> list[str]:
    found = []
    for agent in agents:
        name = agent.host or agent.agent
        if agent.state == "silent" and agent.received is not None:
            found.append(f"{name}: nothing heard for {(now - agent.received) // 10**9} s")
        if any(lane.contested for lane in agent.lanes):
            found.append(f"{name}: contested, two different statements have the same number")
    return found


ENDPOINTS = (
    Endpoint(
        "GET", "/v1/status", "status", "Agents, their chains, and the store", Role.VIEWER, _status, Status
    ),
)
