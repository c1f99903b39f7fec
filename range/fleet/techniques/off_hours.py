"""Somebody who is not on call comes at night, and sends what they want to have."""

from __future__ import annotations

from ..doing import Doing, upload
from ..technique import Plan, Technique
from ..work import Visit


def _visits(plan: Plan) -> list[Visit]:
    place, size = plan.place("ssh"), plan.amount()
    day, hour = plan.draw.choice(plan.days), plan.draw.uniform(1, 4.5)
    plan.on(plan.utc_day(day, hour))

    def act(doing: Doing) -> None:
        upload(doing, place, size, "sftp", "old")

    return [plan.visit(day, act, hour=hour)]


TECHNIQUE = Technique("off-hours", 14, "sftp to outside at night", _visits)
