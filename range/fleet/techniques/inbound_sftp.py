"""Files are fetched over an inbound session, from where the person always comes."""

from __future__ import annotations

from ..doing import Doing, fetch
from ..technique import Plan, Technique
from ..work import Visit


def _visits(plan: Plan) -> list[Visit]:
    size = plan.amount()

    def act(doing: Doing) -> None:
        fetch(doing, size)

    return [plan.visit(plan.day(), act)]


TECHNIQUE = Technique("inbound-sftp", 2, "sftp get over an inbound session", _visits)
