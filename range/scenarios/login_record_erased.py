"""An administrator overwrites the own login's record in wtmp with zeros; the file's size stays."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Scenario, Step, Truth
from ..twins import Draw

_ERASE = r"f = open(\"/var/log/wtmp\", \"r+b\"); f.seek(-384, 2); f.write(bytes(384))"


def _twin(draw: Draw) -> tuple[Step, ...]:
    rotated = f"/var/log/wtmp.{draw.run + 1}"
    return (Step(None, f"mv /var/log/wtmp {rotated} && touch /var/log/wtmp", host="bastion"),)


SCENARIO = Scenario(
    number=21,
    title="the record of a login is overwritten in wtmp",
    people=(Person("willa", ("bastion",), EVERYTHING),),
    steps=(Step("willa", f"ssh -tt willa@bastion 'sleep 3; sudo python3 -c \"{_ERASE}\"'"),),
    twin_title="wtmp is rotated: renamed, made anew",
    twin=_twin,
    truth=Truth("willa", ("bastion",), ("log-shrunk",)),
)
