"""A copy of a shell with the set-uid bit, and its use by the person."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Scenario, Step, Truth

_FILE = "/usr/local/bin/note"

SCENARIO = Scenario(
    number=27,
    title="a shell with the set-uid bit",
    people=(Person("sofia", ("db",), EVERYTHING), Person("simon", ("db",), EVERYTHING)),
    steps=(
        Step("sofia", f"ssh sofia@db 'sudo cp /bin/bash {_FILE} && sudo chmod u+s {_FILE}'"),
        Step("sofia", f"ssh sofia@db '{_FILE} -p -c id'"),
    ),
    twin_title="an administrator installs a script without it, and runs sudo",
    twin=(
        Step(
            "simon", "ssh simon@db 'echo exit 0 | sudo install -m 755 /dev/stdin /usr/local/bin/check; check'"
        ),
    ),
    truth=Truth("sofia", ("db",), ("suid-planted",)),
)
