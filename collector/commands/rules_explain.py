"""`rules explain`: what a Sigma rule makes of an event, part by part. Needs no server."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from evidence.kind import Body

from ..command import FINE, FOUND, Command, Invocation
from ..errors import SettingsError
from ..hunting.sigma_way import body_of
from ..rule_sources import rules_at
from ..sigma.decide import views_of
from ..sigma.document import Rule
from ..sigma.explain import Explained, explain
from ..terminal import Terminal

_LIMIT = 1 << 20


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the rule's id or name")
    parser.add_argument(
        "event",
        metavar="EVENT",
        help="file, or - for stdin, with the JSON of an event's body, or of an object of Sigma's fields",
    )
    rules_at.sigma_arguments(parser)


def _run(call: Invocation) -> int:
    rules = rules_at.ruleset(call)
    rule = next((one for one in rules.rules if call.options.id in (one.id, one.name)), None)
    if rule is None:
        raise SettingsError(f"no rule {call.options.id} is in force: see rules list")
    found = [one for body in _bodies(call.options.event, rule) for one in explain(rule, body)]
    matches = any(one.matches for one in found)
    if call.terminal.as_json:
        call.terminal.value({"rule": rule.id, "title": rule.title, "matches": matches, "views": found})
    else:
        call.terminal.line(f"{rule.title}: {'matches' if matches else 'does not match'}")
        _tell(call.terminal, found)
    return FINE if matches else FOUND


def _tell(terminal: Terminal, found: list[Explained]) -> None:
    for one in found:
        terminal.line(f"as {one.view}: {'matches' if one.matches else 'no'}", "bold")
        for part in one.parts:
            said = "" if part.text is None else f"   [{part.text}]"
            terminal.line(f"  {'  ' * part.depth}{'+' if part.holds else '-'} {part.asks}{said}")


def _bodies(name: str, rule: Rule) -> list[Body]:
    """Return the event as bodies of ours: Sigma's fields make one in each view of the rule.

    Raises:
        SettingsError: it cannot be read, or is no event.
    """
    try:
        if name == "-":
            data = sys.stdin.buffer.read(_LIMIT)
        else:
            with Path(name).open("rb") as file:
                data = file.read(_LIMIT)
        said = msgspec.json.decode(data)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}: {error}") from error
    if not isinstance(said, dict):
        raise SettingsError(f"{name}: not a JSON object")
    if "kind" in said:
        body = body_of(data.decode(errors="replace"))
        if body is None:
            raise SettingsError(f"{name}: not the body of an event of this version")
        return [body]
    fields = {str(key): str(value) for key, value in said.items()}
    return [view.body(fields) for view in views_of(rule.logsource)]


COMMAND = Command("rules explain", "show what a Sigma rule makes of an event", _run, _arguments)
