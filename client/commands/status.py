"""`vedette status`: the agents, their chains, who is silent, and how far the store is."""

from __future__ import annotations

from typing import Any

from .. import http
from ..command import FINE, FOUND, Call, Command
from ..screen import Part, Screen
from ..text import lasting, utc

_STATES = {"live": "green", "silent": "bold red", "stopped": "yellow", "quiet": "dim"}


def _run(call: Call) -> int:
    status = http.connect(call).get("/v1/status")
    if call.screen.as_json:
        call.screen.value(status)
    else:
        _tell(call.screen, status)
    return FOUND if status["problems"] else FINE


def _tell(screen: Screen, status: dict[str, Any]) -> None:
    store = status["store"]
    behind = f", newest {lasting(status['now'] - store['newest'])} old" if "newest" in store else ""
    screen.line(
        (status["user"], "bold"),
        f" ({status['role']}) at a collector {status['version']}, {utc(status['now'])}",
    )
    screen.line(
        f"{store['events']:,} events and {store['alerts']:,} alerts",
        f" from {store.get('entries', 0):,} entries of the ledger{behind}",
    )
    screen.line("")
    heads = ("host", "state", "last heard", "version", "agent", "lanes")
    screen.table(heads, [_agent(agent, status["now"]) for agent in status["agents"]])
    for problem in status["problems"]:
        screen.line(("! ", "bold red"), problem)
    if not status["agents"]:
        screen.note("no agent yet; on the collector: vedette-collector token create")


def _agent(agent: dict[str, Any], now: int) -> list[Part]:
    heard = f"{lasting(max(0, now - agent['received']))} ago" if "received" in agent else "-"
    lanes = ", ".join(f"{lane['lane']} to {lane['seq']}" for lane in agent["lanes"]) or "-"
    return [
        (str(agent.get("host") or "-"), "bold"),
        (agent["state"], _STATES.get(agent["state"], "")),
        heard,
        str(agent.get("version", "-")),
        (agent["agent"], "dim"),
        lanes,
    ]


COMMAND = Command("status", "show agents, their chains, and the store", _run)
