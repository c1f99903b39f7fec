"""`agents revoke`: nothing that this host sends from now on is accepted; what it sent stays valid."""

from __future__ import annotations

import argparse
import time
from contextlib import closing

import msgspec

from evidence.enrolment import RevocationRecord
from evidence.entry import EntryType
from evidence.kinds.collector import Act

from .. import paths
from ..author import author
from ..command import FINE, Command, Invocation
from ..enrolment import roll
from ..ledger_access import ledger_client


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("agent", metavar="AGENT", help="agent id, its beginning, or the host's name")
    parser.add_argument("--reason", required=True, help="why; it stands in the ledger for ever")


def _run(call: Invocation) -> int:
    settings, reason, who = call.settings(), call.options.reason, author()
    places = paths.of(settings)
    found = roll.enrolments(places).match(call.options.agent)
    if found.revoked is not None:
        call.terminal.answer(
            {"agent": found.agent, "revoked": True}, f"agent {found.agent} was revoked before"
        )
        return FINE
    record = RevocationRecord(
        agent=found.agent, epoch=None, time=time.time_ns(), author=who[:64], reason=reason
    )
    with closing(ledger_client.connect(settings)) as ledger:
        ledger.record(Act(user=who, verb="agent.revoke", object=found.agent, reason=reason))
        receipt = ledger.append(EntryType.REVOCATION, msgspec.json.encode(record))
    roll.enrolments(places)
    call.terminal.answer(
        {"agent": found.agent, "revoked": True, "entry": receipt.index},
        f"agent {found.agent} ({found.host}) is revoked by entry {receipt.index}",
    )
    return FINE


COMMAND = Command("agents revoke", "accept nothing more from a host", _run, _arguments)
