"""A file leaves as names that are asked for, below a domain of the insider's."""

from __future__ import annotations

from evidence.kind import Endpoint
from evidence.kinds.dns import Query

from .. import draws
from ..doing import Doing
from ..technique import Plan, Technique
from ..work import Visit

_LABEL, _LABELS = 50, 3
_SERVER = Endpoint(ip="10.0.0.2", port=53)


def _visits(plan: Plan) -> list[Visit]:
    size, place = plan.amount(), plan.place("https")
    domain = place.name.partition(".")[2]

    def act(doing: Doing) -> None:
        for number in range(max(1, int(size / (_LABEL * _LABELS)))):
            actor = doing.shell.run("dig", "+short", f"{number}.{domain}", seconds=0.02)
            labels = [draws.digest(number, domain, part).hex()[:_LABEL] for part in range(_LABELS)]
            query = Query(
                name=".".join((*labels, domain)), type="TXT", server=_SERVER, protocol="udp", rcode=0,
                duration=4_000_000, actor=actor,
            )  # fmt: skip
            doing.shell.tell(query)
            doing.shell.wait(doing.draw.uniform(0.1, 1.0))

    return [plan.visit(plan.day(), act)]


TECHNIQUE = Technique("dns-tunnel", 7, "a file in DNS questions", _visits, most=150_000)
