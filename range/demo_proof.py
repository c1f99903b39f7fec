"""The part of the demo that needs no trust in the collector: `vedette prove` with receipts of the hosts."""

from __future__ import annotations

import argparse
import json
import textwrap
from pathlib import Path
from typing import Any

from .demo_words import DemoFailed, say
from .hosts.fleet import Fleet

_WIDTH = 118


def incidents(fleet: Fleet) -> list[dict[str, Any]]:
    """Return every incident there is, as `vedette incidents --json` prints it."""
    return [json.loads(line) for line in fleet.site.vedette("incidents", "--json").splitlines()]


def prove(fleet: Fleet, incident: dict[str, Any], asked: argparse.Namespace) -> Path:
    """Let an auditor prove an incident, show what follows, and return the hosts' receipts.

    Raises:
        DemoFailed: it could not be verified.
    """
    bundle = asked.bundle or fleet.folder / "incident.bundle"
    receipts: Path = asked.receipts or fleet.folder / "receipts.jsonl"
    receipts.write_text("".join(path.read_text() for path in fleet.receipts(fleet.folder)))
    words = ("prove", incident["id"], "--trust", str(receipts))
    proof = json.loads(fleet.site.vedette(*words, "--out", str(bundle), "--json", accept=(0, 1)))
    say(f"An auditor takes receipts from the hosts and asks: vedette {' '.join(words[:3])} RECEIPTS\n")
    say(f" {proof['status'].upper()}")
    for sentence in proof["conclusions"]:
        say(textwrap.fill(sentence, _WIDTH, initial_indent="  ", subsequent_indent="    "))
    if proof["status"] != "verified":
        raise DemoFailed(f"the incident's evidence is {proof['status']}: {proof['problems']}")
    return receipts
