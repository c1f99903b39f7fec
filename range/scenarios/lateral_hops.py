"""Three hops with a service account on the way, and the loot fetched by sftp: one person behind all of it."""

from __future__ import annotations

from ..props import DESIGN_BYTES, designs
from ..scenario import EVERYTHING, Person, Scenario, Service, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    look = draw.one_of("uptime", "ls /srv/designs", "df /", "tail -n 5 /etc/services")
    return (Step("amy", f'ssh amy@bastion "ssh ops8@app \\"sudo -u deploy ssh deploy@db {look}\\""'),)


SCENARIO = Scenario(
    number=25,
    title="laptop to bastion to app, as a service account to db, and sftp get of what was packed there",
    people=(
        Person("alice", ("bastion", "app"), EVERYTHING, (("app", "ops7"),)),
        Person("amy", ("bastion", "app"), EVERYTHING, (("app", "ops8"),)),
    ),
    services=(Service("deploy", ("app", "db")),),
    prepared=(designs("db"),),
    steps=(
        Step(
            "alice",
            'ssh alice@bastion "ssh ops7@app '
            '\\"sudo -u deploy ssh deploy@db tar czf - -C /srv designs\\" > loot"',
        ),
        Step("alice", "echo 'get loot /tmp/loot' | sftp -q -b - alice@bastion"),
    ),
    twin_title="the daily way over the bastion, with a look as the service account",
    twin=_twin,
    truth=Truth(
        "alice",
        ("bastion", "app", "db"),
        ("inbound-download", "lateral-edge"),
        DESIGN_BYTES,
        reached=(("app", "ops7"), ("db", "deploy")),
    ),
)
