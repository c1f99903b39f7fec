"""An administrator empties the logs that tell of logins."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Scenario, Step, Truth

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
    twin=(
        Step(
            None,
            "mv /var/log/auth.log /var/log/auth.log.1 && touch /var/log/auth.log && pkill -HUP rsyslogd",
            host="db",
        ),
    ),
    truth=Truth("wanda", ("db",), ("log-wiped",)),
)
