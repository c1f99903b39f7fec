"""`policy list`: each document, and who was offered it, when, by whom and why."""

from __future__ import annotations

import argparse

from ..command import FINE, Command, Invocation
from ..policy import policy_decide, rollout
from ..policy.rollout import Offer
from ..questions import moments

_HEADS = ("POLICY", "VERSION", "DIGEST", "UNTIL", "OFFERED TO", "SINCE", "BY", "WHY")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="of one name only")


def _run(call: Invocation) -> int:
    every = policy_decide.every(call.settings())
    wanted = [one for one in every if call.options.name in (None, one.policy.name)]
    if call.terminal.as_json:
        call.terminal.value([_plain(one) for one in wanted])
    else:
        call.terminal.table(_HEADS, [_cells(one) for one in wanted])
    return FINE


def _whom(one: Offer) -> str:
    labels = {**one.policy.selector, **one.now.labels}
    text = " ".join(f"{key}={value}" for key, value in labels.items()) or "all"
    return text if one.now.percent == rollout.ALL else f"{one.now.percent} % of {text}"


def _cells(one: Offer) -> tuple[str, ...]:
    said, now = one.policy, one.now
    return (
        *(said.name, str(said.version), one.digest[:16], moments.to_iso(said.until)[:16], _whom(one)),
        *(moments.to_iso(now.time)[:16], now.author, now.reason),
    )


def _plain(one: Offer) -> dict[str, object]:
    said = one.policy
    decided = [
        {
            "verb": each.verb,
            "author": each.author,
            "time": each.time,
            "reason": each.reason,
            "labels": each.labels,
            "percent": each.percent,
        }
        for each in one.decisions
    ]
    plain = {"name": said.name, "version": said.version, "digest": one.digest, "until": said.until}
    return {**plain, "selector": said.selector, "next_key": said.next_key, "decisions": decided}


COMMAND = Command("policy list", "list the policies and whom they are offered to", _run, _arguments)
