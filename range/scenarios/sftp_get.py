"""A download by sftp over the inbound session: no client program ever runs on the host."""

from __future__ import annotations

from ..props import DESIGN_BYTES, designs
from ..scenario import Person, Scenario, Step, Truth

SCENARIO = Scenario(
    number=2,
    title="sftp get from outside, over the inbound session",
    people=(Person("irma", ("bastion",)), Person("ivan", ("bastion",))),
    prepared=(designs("bastion"),),
    steps=(Step("irma", "echo 'get -r /srv/designs /tmp/irma' | sftp -q -b - irma@bastion"),),
    twin_title="somebody brings as much onto the host",
    twin=(
        Step(
            "ivan",
            f"head -c {DESIGN_BYTES} /dev/urandom > /tmp/build && scp -q /tmp/build ivan@bastion:",
        ),
    ),
    truth=Truth("irma", ("bastion",), ("inbound-download",), DESIGN_BYTES),
)
