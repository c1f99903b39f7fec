"""An administrator kills the agent on a host, all of it at once."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Scenario, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    look = draw.one_of("pgrep -x vedette-agent", "ps -C vedette-agent", "pidof -x vedette-agent")
    return (Step("anna", f"ssh anna@bastion '{look} > /dev/null'"),)


SCENARIO = Scenario(
    number=22,
    title="an administrator kills the agent",
    people=(Person("aron", ("bastion",), EVERYTHING), Person("anna", ("bastion",), EVERYTHING)),
    steps=(Step("aron", "ssh aron@bastion 'sudo pkill -KILL -x vedette-agent'"),),
    twin_title="an administrator asks the agent how it is",
    twin=_twin,
    ends_agent=True,
    truth=Truth("aron", ("bastion",), ("agent-tampering", "agent-silent", "agent-stopped")),
)
