"""`policy sign`: sign what an operator wrote, or the content of an earlier version again, offline."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from evidence import policy
from evidence.keys import key_id

from .. import files
from ..command import FINE, Command, Invocation
from ..policy import policy_file, policy_key
from ..policy.policy_file import Terms
from ..questions import moments


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("content", type=Path, metavar="FILE", help="TOML; or a signed policy, to go back to it")
    add("--version", type=int, required=True, metavar="N", help="above all before of its name")
    add("--key", type=Path, required=True, metavar="FILE", help="the policy key")
    add("--passphrase-file", type=Path, metavar="FILE", help="what the key is encrypted under")
    add("--out", type=Path, required=True, metavar="FILE", help="where the signed policy goes")
    add("--begin", default="now", metavar="TIME", help="when it begins to hold (now)")
    add("--until", default="365d", metavar="TIME", help="when it ends (365d)")
    add("--next-key", type=Path, metavar="FILE", help="public line of the key that follows")


def _run(call: Invocation) -> int:
    options, now = call.options, time.time_ns()
    said = policy_file.content(options.content)
    following = policy_key.public(options.next_key).hex() if options.next_key is not None else None
    begin = max(now, moments.until(options.begin, now))
    terms = Terms(options.version, now, begin, moments.until(options.until, now), following)
    made = policy_file.made(said, terms)
    signer = policy_key.load(options.key, policy_key.passphrase(options.passphrase_file))
    envelope = policy.sign(made, signer)
    files.write(options.out, envelope + b"\n", 0o644)
    digest = policy.digest(policy.parse(envelope))
    shown = {"name": made.name, "version": made.version, "digest": digest, "key": key_id(signer.public)}
    text = f"{options.out}: {made.name} {made.version}, {digest}, until {moments.to_iso(made.until)[:16]}"
    call.terminal.answer(shown, text)
    return FINE


COMMAND = Command("policy sign", "sign a policy, offline", _run, _arguments)
