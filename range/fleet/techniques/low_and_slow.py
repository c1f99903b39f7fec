"""A little leaves each working day, to one place, for as long as the month goes."""

from __future__ import annotations

from ..doing import Doing, upload
from ..technique import Plan, Technique
from ..work import Act, Visit


def _visits(plan: Plan) -> list[Visit]:
    place = plan.place("https")

    def sending(size: float) -> Act:
        def act(doing: Doing) -> None:
            upload(doing, place, size, "curl", "stats")

        return act

    first = plan.draw.randrange(max(1, len(plan.days) - 9))
    return [plan.visit(plan.on(day), sending(plan.amount())) for day in plan.days[first:]]


TECHNIQUE = Technique("low-and-slow", 13, "a few megabytes each day", _visits, most=6_000_000, needs=9)
