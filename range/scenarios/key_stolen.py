"""A private key is read on one host by somebody else, and lets them in on another."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Scenario, Service, Step, Truth
from ..twins import Draw

_KEY = "/home/chris/.ssh/id_ed25519"


def _twin(draw: Draw) -> tuple[Step, ...]:
    look = draw.one_of("id", "uptime", "ls /srv", "df /")
    return (Step("kuno", f"ssh kuno@app 'ls -l .ssh > /dev/null; ssh kuno@db {look} > /dev/null'"),)


SCENARIO = Scenario(
    number=18,
    title="a private key read on one host by somebody else, and used on another",
    people=(Person("kora", ("app",), EVERYTHING), Person("kuno", ("app", "db"))),
    services=(Service("chris", ("app", "db")),),
    steps=(
        Step(
            "kora",
            f"ssh kora@app 'sudo cat {_KEY} > k && chmod 600 k && "
            "ssh -i k -o IdentitiesOnly=yes chris@db id'",
        ),
    ),
    twin_title="somebody goes the same way with the own key",
    twin=_twin,
    truth=Truth("kora", ("app", "db"), ("key-used-elsewhere", "service-secret")),
)
