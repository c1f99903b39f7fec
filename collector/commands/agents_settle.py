"""`agents settle`: end a contest: what this host sends from now on names persons again."""

from __future__ import annotations

import argparse
import time
from contextlib import closing

import msgspec

from evidence.decision import Setting
from evidence.entry import EntryType
from evidence.kinds.collector import Act

from .. import paths
from ..author import author
from ..chains import contest
from ..command import FINE, Command, Invocation
from ..enrolment import roll
from ..errors import CollectorError
from ..ledger_access import ledger_client


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("agent", metavar="AGENT", help="agent id, its beginning, or the host's name")
    parser.add_argument("--reason", required=True, help="why; it stands in the ledger for ever")


def _run(call: Invocation) -> int:
    settings, reason, who = call.settings(), call.options.reason, author()
    found = roll.enrolments(paths.of(settings)).match(call.options.agent)
    if found.revoked is not None:
        raise CollectorError(f"agent {found.agent} is revoked: nothing that it sends is accepted")
    setting = Setting(contest.SETTING, "off", time.time_ns(), who[:64], reason, found.agent)
    with closing(ledger_client.connect(settings)) as ledger:
        ledger.record(Act(user=who, verb="agent.settle", object=found.agent, reason=reason))
        receipt = ledger.append(EntryType.SETTING, msgspec.json.encode(setting))
    call.terminal.answer(
        {"agent": found.agent, "contested": False, "entry": receipt.index},
        f"agent {found.agent} ({found.host}) is not contested from entry {receipt.index} on; "
        "what came before stays as it was",
    )
    return FINE


COMMAND = Command("agents settle", "believe a contested host again", _run, _arguments)
