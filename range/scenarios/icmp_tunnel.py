"""Data in pings: large payloads, many of them."""

from __future__ import annotations

from ..scenario import BACKUP, EVERYTHING, STRANGER, Person, Prepared, Scenario, Step, Truth
from ..twins import Draw

_COUNT, _PAYLOAD = 300, 1400
_PING = "cp $(command -v busybox) /usr/local/bin/ping"
"""busybox is what its name says; the person needs sudo, as the file has no capability."""


def _twin(draw: Draw) -> tuple[Step, ...]:
    count, server = draw.number(20, 5, 30), draw.one_of(STRANGER, BACKUP)
    return (Step("ilse", f"ssh ilse@app 'sudo ping -q -c {count} -A -s 56 {server} > /dev/null'"),)


SCENARIO = Scenario(
    number=8,
    title="pings with large payloads, many of them",
    people=(Person("igor", ("app",), EVERYTHING), Person("ilse", ("app",), EVERYTHING)),
    prepared=(Prepared("app", _PING),),
    steps=(Step("igor", f"ssh igor@app 'sudo ping -q -c {_COUNT} -A -s {_PAYLOAD} {STRANGER} > /dev/null'"),),
    twin_title="somebody looks whether a server answers: pings of 64 bytes",
    twin=_twin,
    truth=Truth("igor", ("app",), ("icmp-tunnel",), _COUNT * (_PAYLOAD + 8), STRANGER),
)
