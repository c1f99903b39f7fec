"""`vedette person`: the sessions of a person on all hosts, how each is known, and what left by them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from .. import chain, http
from ..command import FINE, Call, Command, limit, times
from ..screen import Part, Screen
from ..text import lasting, size, utc

Session = Mapping[str, Any]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the person, as alerts and timelines name them")
    parser.add_argument("--evidence", action="store_true", help="also the events that show whose each is")
    times(parser)
    limit(parser, 200)


def _run(call: Call) -> int:
    options = call.options
    answer = http.connect(call).get(
        "/v1/person", name=options.name, begin=options.begin, end=options.end, limit=options.limit
    )
    if call.screen.as_json:
        call.screen.value(answer)
        return FINE
    _head(call.screen, answer)
    heads = ("opened", "lasted", "bytes out", "bytes in", "how", "from", "session")
    rows = [_row(session) for session in answer["sessions"]]
    call.screen.table(heads, rows, right=("bytes out", "bytes in"))
    if options.evidence:
        _evidence(call.screen, answer["sessions"])
    if answer["truncated"]:
        call.screen.note(f"only the newest {len(rows)}; narrow it with --from and --to, or raise --limit")
    return FINE


def _head(screen: Screen, answer: Mapping[str, Any]) -> None:
    count = len(answer["sessions"])
    said = f": {count} session{'s' if count != 1 else ''} on {', '.join(answer['hosts'])}"
    screen.line((answer["person"], "bold"), said)
    screen.line((f"{size(answer['bytes_out'])} out", "bold"), f", {size(answer['bytes_in'])} in")
    screen.line("")


def _row(session: Session) -> list[Part]:
    opened, closed = session.get("opened"), session.get("closed")
    lasted = lasting(closed - opened) if opened is not None and closed is not None else "open"
    return [
        utc(opened),
        lasted,
        (size(session.get("bytes_out")), "bold"),
        size(session.get("bytes_in")),
        str(session.get("how", "-")),
        str(session.get("source", "-")),
        chain.path(session.get("chain", ()), here(session)),
    ]


def here(session: Session) -> str:
    """Return a session as the last step of its chain."""
    return f"{session.get('user', '-')}@{session.get('host', '-')} #{session.get('session', '-')}"


def _evidence(screen: Screen, sessions: list[Session]) -> None:
    for session in sessions:
        screen.line("")
        screen.line((here(session), "bold"))
        for uid in session.get("evidence", ()):
            screen.line(f"  {uid}")


COMMAND = Command("person", "show the sessions of a person on all hosts", _run, _arguments)
