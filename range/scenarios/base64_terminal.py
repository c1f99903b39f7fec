"""A file as text on the terminal, to be copied from the window."""

from __future__ import annotations

from ..props import DESIGN_BYTES, designs
from ..scenario import Person, Scenario, Step, Truth

SCENARIO = Scenario(
    number=12,
    title="base64 of a file on the terminal",
    people=(Person("bella", ("bastion",)), Person("bruno", ("bastion",))),
    prepared=(designs("bastion"),),
    steps=(Step("bella", "ssh -tt bella@bastion 'base64 /srv/designs/board.bin' > /dev/null"),),
    twin_title="somebody reads logs for a while: 1 MB",
    twin=(Step("bruno", "ssh -tt bruno@bastion 'seq 1 150000' > /dev/null"),),
    truth=Truth(
        "bella", ("bastion",), ("terminal-dump", "inbound-download"), DESIGN_BYTES * 4 // 3, tolerance=10
    ),
)
