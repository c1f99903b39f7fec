"""A tree is packed and split, and leaves hours later in another session."""

from __future__ import annotations

from ..doing import Doing, upload
from ..technique import Plan, Technique
from ..work import Visit

_ARCHIVE = "/srv/app/.cache.tgz"


def _visits(plan: Plan) -> list[Visit]:
    place, size, day = plan.place("https"), plan.amount(), plan.day()

    def pack(doing: Doing) -> None:
        doing.shell.run("tar", "czf", _ARCHIVE, "/srv/app", seconds=20.0)
        doing.shell.run("split", "-b", "20M", _ARCHIVE, ".c", seconds=2.0)

    def send(doing: Doing) -> None:
        parts = max(1, min(8, int(size / 20e6)))
        for part in range(parts):
            upload(doing, place, size / parts, "curl", f".c{part}")

    begins, ends = plan.person.begins, plan.person.ends
    first = plan.visit(day, pack, hour=begins + 1, host=plan.host)
    return [first, plan.visit(day, send, hour=ends - 1, host=plan.host)]


TECHNIQUE = Technique("staged-archive", 6, "packed in the morning, uploaded in the evening", _visits)
