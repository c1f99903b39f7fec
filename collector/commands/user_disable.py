"""`user disable`: this person logs in no more, and the API tokens end."""

from __future__ import annotations

import argparse
import time
from contextlib import closing

from evidence.kinds.collector import Act

from .. import paths
from ..author import author
from ..command import FINE, Command, Invocation
from ..ledger_access import ledger_client
from ..state_db import StateDb
from ..users import Users


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="login name")
    parser.add_argument("--reason", default=None, help="why")


def _run(call: Invocation) -> int:
    settings, name = call.settings(), call.options.name
    users = Users(StateDb(paths.of(settings).state_db))
    users.find(name)
    with closing(ledger_client.connect(settings)) as ledger:
        ledger.record(Act(user=author(), verb="user.disable", object=name, reason=call.options.reason))
    users.disable(name, time.time_ns())
    call.terminal.answer({"name": name, "disabled": True}, f"user {name} is disabled")
    return FINE


COMMAND = Command("user disable", "end a user's access", _run, _arguments)
