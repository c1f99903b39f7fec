"""A file as text on the terminal, to be copied from the window."""

from __future__ import annotations

from ..props import DESIGN_BYTES, designs
from ..scenario import Person, Scenario, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    lines = draw.number(150_000, 100, 150_000)
    return (Step("bruno", f"ssh -tt bruno@bastion 'seq 1 {lines}' > /dev/null"),)


SCENARIO = Scenario(
    number=12,
    title="base64 of a file on the terminal",
    people=(Person("bella", ("bastion",)), Person("bruno", ("bastion",))),
    prepared=(designs("bastion"),),
    steps=(Step("bella", "ssh -tt bella@bastion 'base64 /srv/designs/board.bin' > /dev/null"),),
    twin_title="somebody reads logs for a while: 1 MB",
    twin=_twin,
    truth=Truth(
        "bella", ("bastion",), ("terminal-dump", "inbound-download"), DESIGN_BYTES * 4 // 3, tolerance=10
    ),
)
