"""`setup`: all that must be there before the first `serve`, without a question; again changes nothing."""

from __future__ import annotations

import argparse
import secrets
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from evidence.kinds.collector import Act

from .. import ca, first_settings, paths, provision, service_user
from ..author import author
from ..command import CONFIG, FINE, Command, Invocation
from ..first_settings import Wanted
from ..ledger_access import ledger_client
from ..password import read_password
from ..service_user import ServiceUser
from ..settings import Listener, Settings
from ..state_db import StateDb
from ..users import Role, Users


@dataclass(frozen=True)
class _Admin:
    """The first user; made tells that the password was chosen here, and has to be shown."""

    name: str
    password: str
    made: bool


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--admin", default="admin", metavar="NAME", help="name of the first user (admin)")
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="the first user's password; - is stdin; else one is made",
    )
    first = parser.add_argument_group("the settings file, written where there is none")
    first.add_argument("--state", type=Path, metavar="FOLDER", help="where everything is kept")
    first.add_argument("--origin", metavar="NAME", help="the ledger's name for ever (first --name and /log)")
    first.add_argument(
        "--name", action="append", default=[], metavar="NAME",
        help="DNS name or address that hosts and analysts use; may be given again",
    )  # fmt: skip
    first.add_argument("--ingest", type=_listener, metavar="HOST:PORT", help="where hosts connect")
    first.add_argument("--console", type=_listener, metavar="HOST:PORT", help="enrolment, API and console")


def _listener(text: str) -> Listener:
    try:
        return first_settings.listener(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _run(call: Invocation) -> int:
    settings, made, user = _settle(call)
    places = paths.of(settings)
    by, admin = author(), _admin(call, places)
    if user is not None:
        service_user.become(user, places.root)
    now = time.time_ns()
    made += provision.provision(settings, places, now)
    for what in made:
        call.terminal.note(f"made {what}")
    if admin is not None:
        _add_admin(settings, places, admin, by, now)
    answer: dict[str, object] = {
        "state": str(places.root),
        "user": user.name if user else None,
        "made": made,
        "ingest": _shown(settings.ingest.listen),
        "console": _shown(settings.console.listen),
        "names": settings.console.names,
        "ledger_key": provision.ledger_key(settings, places),
        "ca_pin": ca.open_authority(places).pin(),
        "admin": admin.name if admin else None,
        "password": admin.password if admin and admin.made else None,
        "next": "systemctl enable --now vedette-collector" if user else "vedette-collector serve",
    }
    call.terminal.answer(answer, _text(answer))
    return FINE


def _settle(call: Invocation) -> tuple[Settings, list[str], ServiceUser | None]:
    """Return the settings in force, written first where no file is there, and who is to serve."""
    options = call.options
    wanted = Wanted(options.state, options.origin, options.name, options.ingest, options.console)
    settings, raw = first_settings.settle(call.config, wanted)
    user = service_user.of(settings.state)
    if raw is None:
        return settings, [], user
    try:
        first_settings.write(call.config, raw, user)
    except PermissionError:
        if wanted != Wanted(names=[]) or call.config != CONFIG:
            raise
        return settings, [], user  # the defaults hold without a file as well
    return settings, [f"settings {call.config}"], user


def _admin(call: Invocation, places: paths.Paths) -> _Admin | None:
    """Return the first user where there is none yet; a password file is read while this is still root."""
    if places.state_db.exists() and Users(StateDb(places.state_db)).rows():
        return None
    name, file = call.options.admin, call.options.password_file
    if file is None:
        return _Admin(name, secrets.token_urlsafe(15), made=True)
    return _Admin(name, read_password(file), made=False)


def _add_admin(settings: Settings, places: paths.Paths, admin: _Admin, by: str, now: int) -> None:
    act = Act(user=by, verb="user.add", object=admin.name, detail={"role": Role.ADMIN.value})
    with closing(ledger_client.connect(settings)) as ledger:
        ledger.record(act)
    Users(StateDb(places.state_db)).add(admin.name, admin.password, Role.ADMIN, now)


def _shown(listen: Listener) -> str:
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    return f"{host}:{listen.port}"


def _text(answer: dict[str, object]) -> str:
    lines = [
        f"The collector in {answer['state']} is set up.",
        f"ledger key, for `vedette verify --trust`: {answer['ledger_key']}",
    ]
    if answer["password"]:
        lines.append(f"user {answer['admin']}, password (shown only now): {answer['password']}")
    lines.append(f"Next: `{answer['next']}`, and `vedette-collector token create` for each host.")
    return "\n".join(lines)


COMMAND = Command(
    "setup", "make settings, keys, certificates, database, ledger and the first user", _run, _arguments
)
