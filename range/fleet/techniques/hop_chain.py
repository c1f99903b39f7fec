"""On over two more hosts to some database, whose dump comes back the same way and is fetched from outside."""

from __future__ import annotations

from ..doing import Doing, fetch
from ..technique import Plan, Technique
from ..work import Visit


def _visits(plan: Plan) -> list[Visit]:
    size = plan.amount()

    def act(doing: Doing) -> None:
        shell = doing.shell
        over, databases = doing.other("app"), doing.world.there("db", shell.at)
        goal = doing.draw.choice(databases) if databases else None
        if over is not None and goal is not None and goal is not shell.machine:
            with shell.hop(doing.draw, over) as second, second.hop(doing.draw, goal) as third:
                third.run("pg_dump", "--format=custom", "customers", seconds=30.0)
                third.serve(doing.draw, size)
                second.serve(doing.draw, size)
        fetch(doing, size)

    return [plan.visit(plan.day(), act)]


TECHNIQUE = Technique("hop-chain", 25, "over two hosts to a database, and back", _visits)
