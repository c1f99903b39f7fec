"""`policy roll-out`: offer a policy to every host it is meant for."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..command import FINE, Command, Invocation
from ..policy import policy_decide, rollout


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("policy", metavar="POLICY", help="a signed file, or NAME@VERSION offered before")
    parser.add_argument("--reason", required=True, help="why; it stands in the ledger for ever")
    parser.add_argument("--public", type=Path, metavar="FILE", help="the public line, with the first policy")


def _run(call: Invocation) -> int:
    settings, options = call.settings(), call.options
    chosen = policy_decide.choose(policy_decide.every(settings), options.policy, options.public)
    receipt = policy_decide.record(settings, chosen, rollout.ROLL_OUT, options.reason)
    name, version = chosen.policy.name, chosen.policy.version
    call.terminal.answer(
        {"name": name, "version": version, "digest": chosen.digest, "entry": receipt.index},
        f"{name} {version} is offered to every host it is meant for by entry {receipt.index}",
    )
    return FINE


COMMAND = Command("policy roll-out", "offer a policy to every host it is meant for", _run, _arguments)
