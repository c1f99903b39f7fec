"""An upload by a service account, which somebody became two hosts away from their laptop."""

from __future__ import annotations

from ..props import DESIGN_BYTES, designs, upload
from ..scenario import BACKUP, EVERYTHING, STRANGER, Person, Scenario, Service, Step, Truth
from ..twins import Draw


def _take(person: str, file: str, server: str, count: int = DESIGN_BYTES) -> Step:
    pack = f"head -c {count} /srv/designs/board.bin | sudo -u deploy tee {file} > /dev/null"
    send = f"sudo -u deploy {upload(file, server)}"
    return Step(person, f'ssh {person}@bastion "ssh {person}@app \\"{pack} && {send}\\""')


def _twin(draw: Draw) -> tuple[Step, ...]:
    return (_take("arno", "/home/deploy/daily", BACKUP, draw.number(DESIGN_BYTES, 1000, DESIGN_BYTES)),)


SCENARIO = Scenario(
    number=25,
    title="laptop to bastion to app, an upload as a service account",
    people=(Person("agnes", ("bastion", "app"), EVERYTHING), Person("arno", ("bastion", "app"), EVERYTHING)),
    services=(Service("deploy", ("app",)),),
    prepared=(designs("app"),),
    steps=(_take("agnes", "/home/deploy/release", STRANGER),),
    twin_title="a release to the backup host, the same way",
    twin=_twin,
    truth=Truth(
        "agnes", ("bastion", "app"), ("http-upload", "upload-new-destination"), DESIGN_BYTES, STRANGER
    ),
)
