"""An administrator, after some work, kills all of an agent's processes at once."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Scenario, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    look = draw.one_of("pgrep vedette", "ps -C vedette-watch", "pidof -x vedette-ship")
    return (Step("arve", f"ssh arve@db '{look} > /dev/null; true'"),)


SCENARIO = Scenario(
    number=22,
    title="an administrator kills all processes of the agent at once",
    people=(Person("arne", ("db",), EVERYTHING), Person("arve", ("db",), EVERYTHING)),
    steps=(Step("arne", "ssh arne@db 'id; sleep 4; sudo pkill -KILL vedette'"),),
    twin_title="an administrator looks for the agent's processes",
    twin=_twin,
    ends_agent=True,
    truth=Truth("arne", ("db",), ("agent-tampering", "agent-silent", "agent-stopped")),
)
