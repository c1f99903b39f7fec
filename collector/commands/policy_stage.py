"""`policy stage`: offer a policy to some hosts first, by label, by share, or both; nothing to the others."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..command import FINE, Command, Invocation
from ..policy import policy_decide, rollout
from .token_create import labels


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("policy", metavar="POLICY", help="a signed file, or NAME@VERSION offered before")
    parser.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="may be repeated")
    parser.add_argument("--percent", type=int, default=rollout.ALL, metavar="N", help="of these; 0 stops")
    parser.add_argument("--reason", required=True, help="why; it stands in the ledger for ever")
    parser.add_argument("--public", type=Path, metavar="FILE", help="the public line, with the first policy")


def _run(call: Invocation) -> int:
    settings, options = call.settings(), call.options
    chosen = policy_decide.choose(policy_decide.every(settings), options.policy, options.public)
    wanted = labels(options.label)
    receipt = policy_decide.record(
        settings, chosen, rollout.STAGE, options.reason, labels=wanted, percent=options.percent
    )
    whom = " ".join(f"{key}={value}" for key, value in wanted.items()) or "all hosts"
    name = f"{chosen.policy.name} {chosen.policy.version}"
    shown = {"name": chosen.policy.name, "version": chosen.policy.version, "digest": chosen.digest}
    call.terminal.answer(
        {**shown, "labels": wanted, "percent": options.percent, "entry": receipt.index},
        f"{name} is offered to {options.percent} percent of {whom} by entry {receipt.index}",
    )
    return FINE


COMMAND = Command("policy stage", "offer a policy to some hosts first", _run, _arguments)
