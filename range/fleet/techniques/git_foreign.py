"""A repository is pushed to a remote of the insider's."""

from __future__ import annotations

from ..doing import Doing, push
from ..technique import Plan, Technique
from ..work import Visit


def _visits(plan: Plan) -> list[Visit]:
    place, size = plan.place("git"), plan.amount()
    by_ssh = plan.draw.choice((True, False))

    def act(doing: Doing) -> None:
        doing.shell.run("git", "remote", "add", "mirror", f"git@{place.name}:x.git")
        push(doing, place, size, by_ssh=by_ssh)

    return [plan.visit(plan.day(), act)]


TECHNIQUE = Technique("git-foreign", 5, "git push to a foreign remote", _visits)
