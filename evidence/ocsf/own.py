"""What agent, collector and logs say, as OCSF's base events; acts of users as API activity. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..kinds import agent, collector, log, policy
from .parties import endpoint
from .shape import API, BASE, INFORMATIONAL, LOW, MEDIUM, OTHER, Shape, Shapes


def _plain(severity: int) -> tuple[int, Callable[[Any], Shape]]:
    return BASE, lambda _body: Shape(OTHER, {}, severity)


def _act(body: collector.Act) -> Shape:
    attributes = {
        "actor": {"user": {"name": body.user}},
        "api": {"operation": body.verb},
        "src_endpoint": endpoint(body.source) if body.source else {"name": "collector"},
        "status_id": 1 if body.allowed else 2,
    }
    return Shape(OTHER, attributes)


SHAPES: Shapes = {
    agent.Start: _plain(INFORMATIONAL),
    agent.Stop: _plain(LOW),
    agent.Heartbeat: _plain(INFORMATIONAL),
    agent.Loss: _plain(MEDIUM),
    agent.ClockStep: _plain(LOW),
    agent.ConfigChange: _plain(LOW),
    agent.Certificate: _plain(MEDIUM),
    agent.Sensor: _plain(INFORMATIONAL),
    policy.Applied: _plain(LOW),
    policy.Refused: _plain(MEDIUM),
    log.Message: _plain(INFORMATIONAL),
    collector.Act: (API, _act),
}
