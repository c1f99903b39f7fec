"""The person's key is lent: somebody in another country fetches files with it while they are at work."""

from __future__ import annotations

from ..doing import Doing, fetch
from ..technique import Plan, Technique
from ..work import Visit


def _visits(plan: Plan) -> list[Visit]:
    size, day = plan.amount(), plan.day()
    hour = plan.draw.uniform(plan.person.begins + 1, plan.person.ends - 1)

    def act(doing: Doing) -> None:
        fetch(doing, size)

    away = f"102.67.{plan.draw.randrange(1, 255)}.{plan.draw.randrange(1, 255)}"
    return [plan.visit(day, hour=hour), plan.visit(day, act, hour=hour + 0.3, source=away)]


TECHNIQUE = Technique("key-lent", 16, "a key used from another country", _visits)
