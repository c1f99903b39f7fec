"""A colleague's private key is read, and used to fetch from another host."""

from __future__ import annotations

from ..doing import Doing
from ..shell import Account
from ..technique import Plan, Technique
from ..work import Visit


def _visits(plan: Plan) -> list[Visit]:
    size = plan.amount()
    owner = Account("carla", 1900, "SHA256:the-key-of-carla")

    def act(doing: Doing) -> None:
        path = f"/home/{owner.name}/.ssh/id_ed25519"
        doing.shell.read(doing.shell.sudo("cat", path), path, owner.uid)
        goal = doing.other("data")
        if goal is not None:
            line = ("ssh", "-i", "k", f"{owner.name}@{goal.host.name}")
            with doing.shell.hop(doing.draw, goal, *line, account=owner) as there:
                there.run("tar", "cz", "/srv/data", seconds=2.0)
                there.serve(doing.draw, size)
            doing.shell.serve(doing.draw, size)

    return [plan.visit(plan.day(), act)]


TECHNIQUE = Technique("key-stolen", 18, "a colleague's key, used elsewhere", _visits, is_admin=True)
