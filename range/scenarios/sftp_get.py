"""A download by sftp over the inbound session: no client program ever runs on the host."""

from __future__ import annotations

from ..props import DESIGN_BYTES, designs
from ..scenario import Person, Scenario, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    count = draw.number(DESIGN_BYTES, 1000, 2 * DESIGN_BYTES)
    file = f"{draw.name()}.jar"
    make = f"head -c {count} /dev/urandom > {file}"
    return (Step("ivan", f"{make} && scp -q {file} ivan@bastion:"),)


SCENARIO = Scenario(
    number=2,
    title="sftp get from outside, over the inbound session",
    people=(Person("irma", ("bastion",)), Person("ivan", ("bastion",))),
    prepared=(designs("bastion"),),
    steps=(Step("irma", "echo 'get -r /srv/designs /tmp/irma' | sftp -q -b - irma@bastion"),),
    twin_title="somebody brings as much onto the host",
    twin=_twin,
    truth=Truth("irma", ("bastion",), ("inbound-download",), DESIGN_BYTES),
)
