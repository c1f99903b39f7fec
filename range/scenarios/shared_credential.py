"""One key from two places at once: two people share it, or somebody has a copy."""

from __future__ import annotations

from ..scenario import ABROAD, ROAMING, Person, Scenario, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    look = draw.one_of("id", "uptime", "date", "df /")
    return (
        Step("rosa", f"ssh rosa@bastion {look} > /dev/null"),
        Step("rosa", f"ssh -b {ROAMING} rosa@bastion {look} > /dev/null"),
    )


SCENARIO = Scenario(
    number=16,
    title="one key used from two places within seconds",
    people=(Person("rolf", ("bastion",)), Person("rosa", ("bastion",))),
    steps=(
        Step("rolf", "ssh rolf@bastion id > /dev/null"),
        Step("rolf", f"ssh -b {ABROAD} rolf@bastion id > /dev/null"),
    ),
    twin_title="somebody moves to another network of the same place",
    twin=_twin,
    truth=Truth("rolf", ("bastion",), ("shared-credential",)),
)
