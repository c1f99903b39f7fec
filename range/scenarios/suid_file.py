"""A copy of a shell with the set-uid bit, and its use by the person."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Scenario, Step, Truth
from ..twins import Draw

_FILE = "/usr/local/bin/note"


def _twin(draw: Draw) -> tuple[Step, ...]:
    mode = draw.one_of("755", "750", "700", "775")
    put = f"echo exit 0 | sudo install -m {mode} /dev/stdin /usr/local/bin/{draw.name()}"
    return (Step("simon", f"ssh simon@db '{put}'"),)


SCENARIO = Scenario(
    number=27,
    title="a shell with the set-uid bit",
    people=(Person("sofia", ("db",), EVERYTHING), Person("simon", ("db",), EVERYTHING)),
    steps=(
        Step("sofia", f"ssh sofia@db 'sudo cp /bin/bash {_FILE} && sudo chmod u+s {_FILE}'"),
        Step("sofia", f"ssh sofia@db '{_FILE} -p -c id'"),
    ),
    twin_title="an administrator installs a script without it, and runs sudo",
    twin=_twin,
    truth=Truth("sofia", ("db",), ("suid-planted",)),
)
