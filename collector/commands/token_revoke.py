"""`token revoke`: no host enrols with this token any more; those that did stay."""

from __future__ import annotations

import argparse
import time
from contextlib import closing

from evidence.kinds.collector import Act

from .. import paths
from ..author import author
from ..command import FINE, Command, Invocation
from ..enrolment.tokens import Tokens
from ..ledger_access import ledger_client
from ..state_db import StateDb


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("token", metavar="TOKEN", help="its id, as `token list` shows it")
    parser.add_argument("--reason", default=None, help="why")


def _run(call: Invocation) -> int:
    settings = call.settings()
    kept = Tokens(StateDb(paths.of(settings).state_db))
    row = kept.find(call.options.token)
    act = Act(user=author(), verb="token.revoke", object=row.id, reason=call.options.reason)
    with closing(ledger_client.connect(settings)) as ledger:
        ledger.record(act)
    kept.revoke(row.id, time.time_ns())
    call.terminal.answer({"id": row.id, "revoked": True}, f"token {row.id} is revoked")
    return FINE


COMMAND = Command("token revoke", "revoke an enrolment token", _run, _arguments)
