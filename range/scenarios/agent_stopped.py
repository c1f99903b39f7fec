"""An administrator ends the agent gently: it says farewell, and who was at work."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Scenario, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    number = draw.one_of("TERM", "KILL", "HUP", "USR1")
    return (Step("stig", f"ssh stig@app 'sleep 60 & sleep 0.1; sudo pkill -{number} -x sleep -u stig'"),)


SCENARIO = Scenario(
    number=22,
    title="an administrator ends the agent with a signal it obeys",
    people=(Person("stina", ("app",), EVERYTHING), Person("stig", ("app",), EVERYTHING)),
    steps=(Step("stina", "ssh stina@app 'sudo pkill -TERM -x vedette-agent'"),),
    twin_title="an administrator ends another program of the own",
    twin=_twin,
    ends_agent=True,
    truth=Truth("stina", ("app",), ("agent-tampering", "agent-silent", "agent-stopped")),
)
