"""`policy check`: would hosts take this, and what would it change; needs no collector and no key."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec

from evidence import policy
from evidence.errors import EvidenceError

from ..command import FINE, FOUND, Command, Invocation
from ..policy import policy_file, policy_key


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="TOML, or a signed policy")
    parser.add_argument("--against", type=Path, metavar="FILE", help="show what differs from this one")
    parser.add_argument("--public", type=Path, metavar="FILE", help="verify the signature with this line")


def _run(call: Invocation) -> int:
    options = call.options
    if options.public is not None:
        try:
            policy.verified(policy_file.signed(options.file), policy_key.public(options.public))
        except EvidenceError as error:
            call.terminal.error(f"{options.file}: {error}")
            return FOUND
    said = policy_file.content(options.file)
    after = policy_file.values(said.settings)
    before = policy_file.values(policy_file.content(options.against).settings) if options.against else {}
    if call.terminal.as_json:
        changes = {name: [before.get(name), after.get(name)] for name in _changed(before, after)}
        call.terminal.value({"name": said.name, "selector": said.selector, "changes": changes})
        return FINE
    hosts = ", ".join(f"{key}={value}" for key, value in said.selector.items()) or "all"
    call.terminal.line(f"{options.file}: {said.name}, for {hosts} hosts")
    for name in _changed(before, after):
        if name in before:
            call.terminal.line(f"- {name} = {_text(before[name])}")
        said_now = f" = {_text(after[name])}" if name in after else ": the host's own"
        call.terminal.line(f"+ {name}{said_now}")
    return FINE


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [name for name in {**before, **after} if before.get(name) != after.get(name)]


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


COMMAND = Command("policy check", "check a policy and show what it would change", _run, _arguments)
