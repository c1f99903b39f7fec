"""`policy roll-back`: offer every host a new version that says what an earlier one said.

Hosts never take an older document, so the way back is a new one: `policy sign OLD --version N+1`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..command import FINE, Command, Invocation
from ..errors import CollectorError
from ..policy import policy_decide, rollout
from ..policy.policy_decide import Chosen
from ..policy.rollout import Offer


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("policy", metavar="FILE", help="signed, with the content of an earlier version")
    parser.add_argument("--reason", required=True, help="why; it stands in the ledger for ever")


def _run(call: Invocation) -> int:
    settings, options = call.settings(), call.options
    every = policy_decide.every(settings)
    chosen = policy_decide.choose(every, options.policy, None)
    back = _earlier(every, chosen, Path(options.policy))
    receipt = policy_decide.record(settings, chosen, rollout.ROLL_BACK, options.reason)
    name, version = chosen.policy.name, chosen.policy.version
    call.terminal.answer(
        {"name": name, "version": version, "back_to": back, "digest": chosen.digest, "entry": receipt.index},
        f"{name} {version}, which says what {back} said, is offered to every host by entry {receipt.index}",
    )
    return FINE


def _earlier(every: tuple[Offer, ...], chosen: Chosen, file: Path) -> int:
    """Return the earlier version that says the same.

    Raises:
        CollectorError: none does.
    """
    said = chosen.policy
    for one in reversed(every):
        old = one.policy
        same = (old.settings, old.selector) == (said.settings, said.selector)
        if old.name == said.name and old.version < said.version and same:
            return old.version
    raise CollectorError(
        f"{file}: says what no earlier version of {said.name} said; use `policy roll-out`, or sign one "
        f"again: vedette-collector policy sign OLD --version {said.version} …"
    )


COMMAND = Command("policy roll-back", "offer every host the content of an earlier version", _run, _arguments)
