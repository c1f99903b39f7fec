"""`token create`: one line to copy to a host that may enrol."""

from __future__ import annotations

import argparse
import time
from contextlib import closing

from evidence.kinds.collector import Act

from .. import ca, paths
from ..author import author
from ..command import FINE, Command, Invocation
from ..duration import nanoseconds
from ..enrolment import tokens
from ..enrolment.tokens import Terms, Tokens
from ..errors import CollectorError
from ..ledger_access import ledger_client
from ..questions import moments
from ..state_db import StateDb


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--uses", type=int, default=1, metavar="N", help="hosts that may enrol with it (1)")
    parser.add_argument("--expires", type=nanoseconds, default="1d", metavar="SPAN", help="how long (1d)")
    parser.add_argument(
        "--network", action="append", default=[], metavar="CIDR", help="source network; may be repeated"
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="given to the hosts; may be repeated",
    )


def _run(call: Invocation) -> int:
    settings, options, now = call.settings(), call.options, time.time_ns()
    places = paths.of(settings)
    terms = Terms(now + options.expires, options.uses, tuple(options.network), labels(options.label))
    tokens.check_terms(terms, now)
    token = tokens.mint(ca.open_authority(places).pin())
    kept = Tokens(StateDb(places.state_db))
    who = author()
    with closing(ledger_client.connect(settings)) as ledger:
        ledger.record(Act(user=who, verb="token.create", object=token.id, detail=tokens.describe(terms)))
    kept.add(token, terms, who, now)
    expires = moments.to_iso(terms.expires)
    call.terminal.note(f"token {token.id}: {terms.uses} use(s), until {expires}; shown only now")
    call.terminal.answer({"id": token.id, "token": token.line(), "expires": expires}, token.line())
    return FINE


def labels(given: list[str]) -> dict[str, str]:
    """Return labels as they were typed.

    Raises:
        CollectorError: one is not KEY=VALUE.
    """
    found: dict[str, str] = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not equals or not key:
            raise CollectorError(f"--label {each}: write it as KEY=VALUE")
        found[key] = value
    return found


COMMAND = Command("token create", "make an enrolment token and print it", _run, _arguments)
