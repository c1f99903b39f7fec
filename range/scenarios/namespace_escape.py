"""Root's shell in the namespaces of process 1, as from a container that sees the host's processes."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Scenario, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    work = draw.one_of("unshare -m true", "unshare -n true", "nsenter -t $(pgrep -o rsyslogd) -n true")
    return (
        Step(None, work, host="app"),
        Step("emil", f"ssh emil@app 'sudo {work}'"),
    )


SCENARIO = Scenario(
    number=28,
    title="nsenter into the namespaces of process 1",
    people=(Person("erna", ("app",), EVERYTHING), Person("emil", ("app",), EVERYTHING)),
    steps=(Step("erna", "ssh erna@app 'sudo nsenter -t 1 -m -u -n -p id > /dev/null'"),),
    twin_title="a service and an administrator run something in a namespace of its own",
    twin=_twin,
    truth=Truth("erna", ("app",), ("container-escape",)),
)
