"""`user add`: the password comes from stdin or a file, never from the command line."""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from pathlib import Path

from evidence.kinds.collector import Act

from .. import paths
from ..author import author
from ..command import FINE, Command, Invocation
from ..ledger_access import ledger_client
from ..password import read_password
from ..state_db import StateDb
from ..users import Role, Users


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="login name")
    parser.add_argument("--role", choices=[role.value for role in Role], default=Role.VIEWER.value)
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="the password; stdin otherwise")


def _run(call: Invocation) -> int:
    settings, name, role = call.settings(), call.options.name, Role(call.options.role)
    users = Users(StateDb(paths.of(settings).state_db))
    password = read_password(call.options.password_file)
    users.check(name, password)
    with closing(ledger_client.connect(settings)) as ledger:
        ledger.record(Act(user=author(), verb="user.add", object=name, detail={"role": role.value}))
    users.add(name, password, role, time.time_ns())
    call.terminal.answer({"name": name, "role": role}, f"user {name} may log in as {role}")
    return FINE


COMMAND = Command("user add", "add a user of the console and the API", _run, _arguments)
