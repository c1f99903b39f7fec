"""`setup`: keys, certificates, database, ledger and first user, without a question; again changes nothing."""

from __future__ import annotations

import argparse
import secrets
import time
from contextlib import closing
from pathlib import Path

from evidence.kinds.collector import Act

from .. import ca, ledger_client, paths, provision
from ..author import author
from ..command import FINE, Command, Invocation
from ..password import read_password
from ..settings import Settings
from ..state_db import StateDb
from ..users import Role, Users


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--admin", default="admin", metavar="NAME", help="name of the first user (admin)")
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="the first user's password; - is stdin; else one is made",
    )


def _run(call: Invocation) -> int:
    settings = call.settings()
    places = paths.of(settings)
    now = time.time_ns()
    made = provision.provision(settings, places, now)
    for what in made:
        call.terminal.note(f"made {what}")
    password = _add_admin(call, settings, places, now)
    answer = {
        "state": str(places.root),
        "made": made,
        "ledger_key": provision.ledger_key(settings, places),
        "ca_pin": ca.open_authority(places).pin(),
        "admin": call.options.admin if password is not None else None,
        "password": password,
    }
    call.terminal.answer(answer, _text(answer))
    return FINE


def _add_admin(call: Invocation, settings: Settings, places: paths.Paths, now: int) -> str | None:
    """Add the first user where there is none; return the password if it was made here."""
    users = Users(StateDb(places.state_db))
    if users.rows():
        return None
    file: Path | None = call.options.password_file
    password = secrets.token_urlsafe(15) if file is None else read_password(file)
    act = Act(user=author(), verb="user.add", object=call.options.admin, detail={"role": Role.ADMIN.value})
    with closing(ledger_client.connect(settings)) as ledger:
        ledger.record(act)
    users.add(call.options.admin, password, Role.ADMIN, now)
    return password if file is None else None


def _text(answer: dict[str, object]) -> str:
    lines = [
        f"The collector in {answer['state']} is set up.",
        f"ledger key, for `vedette verify --trust`: {answer['ledger_key']}",
    ]
    if answer["password"]:
        lines.append(f"user {answer['admin']}, password (shown only now): {answer['password']}")
    lines.append("Next: `vedette-collector serve`, and `vedette-collector token create` for each host.")
    return "\n".join(lines)


COMMAND = Command("setup", "make keys, certificates, database, ledger and the first user", _run, _arguments)
