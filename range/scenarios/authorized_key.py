"""A new key in a service account's authorized_keys: a way back in."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Prepared, Scenario, Step, Truth
from ..twins import Draw

_LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBlV0mYBv5DqR6wq9m3yZ0u8rWc5H1kQzT2s4vJ7nX9d {name}"
_BACKUP = "id backup-svc 2>/dev/null || useradd --create-home --shell /bin/bash backup-svc"


def _add(name: str, home: str) -> str:
    return (
        f"install -d -m 700 -o {name} {home}/.ssh && "
        f"echo {_LINE.format(name=name)} >> {home}/.ssh/authorized_keys"
    )


def _twin(draw: Draw) -> tuple[Step, ...]:
    note = f"{draw.name()}.txt"
    return (Step("kim", f"ssh kim@db 'cat .ssh/authorized_keys > /dev/null; echo x > .ssh/{note}'"),)


SCENARIO = Scenario(
    number=19,
    title="a key is added to a service account's authorized_keys",
    people=(Person("karl", ("db",), EVERYTHING), Person("kim", ("db",))),
    prepared=(Prepared("db", _BACKUP),),
    steps=(Step("karl", f"ssh karl@db 'sudo bash -c \"{_add('backup-svc', '/home/backup-svc')}\"'"),),
    twin_title="somebody reads the file, and writes another one of that folder",
    twin=_twin,
    truth=Truth("karl", ("db",), ("access-granted",)),
)
