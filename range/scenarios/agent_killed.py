"""An administrator ends the agent on a host."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Scenario, Step, Truth

_AGENT = "'[v]edette-agent run'"

SCENARIO = Scenario(
    number=22,
    title="an administrator stops the agent",
    people=(Person("aron", ("bastion",), EVERYTHING), Person("anna", ("bastion",), EVERYTHING)),
    steps=(Step("aron", f'ssh aron@bastion "sudo pkill -KILL -f {_AGENT}"'),),
    twin_title="an administrator asks the agent how it is",
    twin=(Step("anna", "ssh anna@bastion 'pgrep -f [v]edette-agent > /dev/null'"),),
    ends_agent=True,
    truth=Truth("aron", ("bastion",), ("agent-silent", "agent-tampered")),
)
