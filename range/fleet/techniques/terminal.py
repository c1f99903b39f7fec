"""A file is shown as text in a terminal, and kept from there."""

from __future__ import annotations

from ..doing import Doing
from ..technique import Plan, Technique
from ..work import Visit


def _visits(plan: Plan) -> list[Visit]:
    size = plan.amount()

    def act(doing: Doing) -> None:
        doing.shell.run("base64", "customers.csv.gz", seconds=2.0)
        doing.shell.serve(doing.draw, size, 2000)

    return [plan.visit(plan.day(), act)]


TECHNIQUE = Technique("terminal", 12, "base64 on the terminal", _visits, most=5_000_000)
