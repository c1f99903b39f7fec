"""An administrator empties the logs that tell of logins."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Scenario, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    rotated = f"/var/log/auth.log.{draw.run + 1}"
    return (
        Step(
            None,
            f"mv /var/log/auth.log {rotated} && touch /var/log/auth.log && pkill -HUP rsyslogd",
            host="db",
        ),
    )


SCENARIO = Scenario(
    number=21,
    title="the logs of logins are emptied",
    people=(Person("wanda", ("db",), EVERYTHING),),
    steps=(
        Step(
            "wanda",
            "ssh wanda@db 'sudo truncate -s 0 /var/log/wtmp /var/log/auth.log; history -c'",
        ),
    ),
    twin_title="the logs are rotated: renamed, made anew, the daemon told",
    twin=_twin,
    truth=Truth("wanda", ("db",), ("log-wiped",)),
)
