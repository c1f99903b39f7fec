"""A tree goes out with rsync, in two parts on two days."""

from __future__ import annotations

from ..doing import Doing, upload
from ..technique import Plan, Technique
from ..work import Act, Visit


def _visits(plan: Plan) -> list[Visit]:
    place = plan.place("ssh")
    days = sorted(plan.draw.sample(list(plan.days), 2))

    def sending(size: float) -> Act:
        def act(doing: Doing) -> None:
            upload(doing, place, size, "rsync", "src")

        return act

    return [plan.visit(plan.on(day), sending(plan.amount())) for day in days]


TECHNIQUE = Technique("rsync-out", 1, "rsync to a server outside, twice", _visits, needs=2)
