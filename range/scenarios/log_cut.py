"""A root shell empties the log of logins by itself: no command line names what it does."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Scenario, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    log, copy = "/var/log/auth.log", f"/var/log/auth.log.{draw.run + 100}"
    cut = draw.one_of(f"truncate -s 0 {log}", f": > {log}", f"cp /dev/null {log}")
    return (Step(None, f"cp {log} {copy} && {cut}", host="app"),)


SCENARIO = Scenario(
    number=21,
    title="a root shell empties the log of logins with a redirection of its own",
    people=(Person("wade", ("app",), EVERYTHING),),
    steps=(Step("wade", "ssh wade@app 'echo \": > /var/log/auth.log\" | sudo bash'"),),
    twin_title="a timer copies the log and cuts it",
    twin=_twin,
    truth=Truth("wade", ("app",), ("log-shrunk",)),
)
