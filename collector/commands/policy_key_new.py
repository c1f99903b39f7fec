"""`policy key new`: make the key that signs policies, on a machine that is not the collector."""

from __future__ import annotations

import argparse
from pathlib import Path

from evidence import policy
from evidence.keys import key_id

from ..command import FINE, Command, Invocation
from ..policy import policy_key


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="where the key goes; beside it FILE.pub")
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="encrypt the key under this")


def _run(call: Invocation) -> int:
    path: Path = call.options.file
    public = policy_key.make(path, policy_key.passphrase(call.options.passphrase_file))
    line = policy.key_line(public)
    where = policy_key.public_of(path)
    call.terminal.note(f"{path}: keep it off the collector; hosts pin {where}: enroll --policy-key {where}")
    call.terminal.answer({"public": line, "key": key_id(public), "file": str(path)}, line)
    return FINE


COMMAND = Command("policy key new", "make the key that signs policies, offline", _run, _arguments)
