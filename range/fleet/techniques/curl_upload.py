"""A file goes to a place for uploads with curl."""

from __future__ import annotations

from ..doing import Doing, upload
from ..technique import Plan, Technique
from ..work import Visit


def _visits(plan: Plan) -> list[Visit]:
    place, size = plan.place("https"), plan.amount()

    def act(doing: Doing) -> None:
        upload(doing, place, size, "curl", "report")

    return [plan.visit(plan.day(), act)]


TECHNIQUE = Technique("curl-upload", 3, "curl to a place for uploads", _visits)
