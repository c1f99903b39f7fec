"""Files go out with scp to a server of the insider's."""

from __future__ import annotations

from ..doing import Doing, upload
from ..technique import Plan, Technique
from ..work import Visit


def _visits(plan: Plan) -> list[Visit]:
    place, size = plan.place("ssh"), plan.amount()

    def act(doing: Doing) -> None:
        upload(doing, place, size, "scp", "notes")

    return [plan.visit(plan.day(), act)]


TECHNIQUE = Technique("scp-out", 1, "scp to a server outside", _visits)
