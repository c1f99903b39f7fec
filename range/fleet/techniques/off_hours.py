"""Somebody who is not on call comes at night, and sends what they want to have."""

from __future__ import annotations

from ..doing import Doing, upload
from ..technique import Plan, Technique
from ..work import Visit


def _visits(plan: Plan) -> list[Visit]:
    place, size = plan.place("ssh"), plan.amount()

    def act(doing: Doing) -> None:
        upload(doing, place, size, "sftp", "old")

    return [plan.visit(plan.day(), act, hour=plan.draw.uniform(1, 4.5))]


TECHNIQUE = Technique("off-hours", 14, "sftp to outside at night", _visits)
