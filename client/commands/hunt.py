"""`vedette hunt`: what a Sigma rule, of the collector or of a file, finds in stored events."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .. import http
from ..command import FINE, FOUND, Call, Command
from ..describe import badge
from ..errors import ClientError
from ..screen import Screen
from ..text import utc

_TEXT_LIMIT = 64 << 10
_ENDS = (".yml", ".yaml")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", help="id or name of a Sigma rule in force, or a file of rules (.yml, .yaml)")
    parser.add_argument("--since", default="30d", metavar="TIME", help="where to begin (30d)")
    parser.add_argument("--until", default="now", metavar="TIME", help="where to end (now)")
    parser.add_argument("--limit", type=int, default=1000, metavar="N", help="at most N hits (1000)")


def _run(call: Call) -> int:
    options = call.options
    wanted: dict[str, Any] = {"since": options.since, "until": options.until, "limit": options.limit}
    wanted |= {"text": _text(options.rule)} if options.rule.endswith(_ENDS) else {"rule": options.rule}
    answer = http.connect(call).post("/v1/hunt", wanted)
    if call.screen.as_json:
        for hit in answer["hits"]:
            call.screen.value(hit)
    else:
        _show(call.screen, answer)
    return FOUND if answer["hits"] else FINE


def _text(name: str) -> str:
    try:
        with Path(name).open(encoding="utf-8") as file:
            return file.read(_TEXT_LIMIT)
    except (OSError, UnicodeDecodeError) as error:
        raise ClientError(f"{name}: {error}") from error


def _show(screen: Screen, answer: dict[str, Any]) -> None:
    hits = answer["hits"]
    if hits:
        screen.table(
            ("time", "host", "person", "severity", "what", "events"),
            [
                [
                    (utc(hit["time"], digits=3), "dim"),
                    hit["host"] or "-",
                    hit.get("person") or "-",
                    badge(hit["severity"]),
                    hit["summary"],
                    str(len(hit["evidence"])),
                ]
                for hit in hits
            ],
        )
    screen.note(f"{len(hits)} hits; {answer['looked']} events were looked at in full")
    if answer["truncated"]:
        screen.note("there are more: narrow it with --since and --until, or raise --limit")


COMMAND = Command("hunt", "find past events with a Sigma rule", _run, _arguments)
