"""`agents show`: one host's identity."""

from __future__ import annotations

import argparse

import msgspec

from .. import paths
from ..command import FINE, Command, Invocation
from ..enrolment import roll
from ..questions import moments


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("agent", metavar="AGENT", help="agent id, its beginning, or the host's name")


def _run(call: Invocation) -> int:
    known = roll.enrolments(paths.of(call.settings()))
    found = known.match(call.options.agent)
    certificate = known.certificate(found.agent)
    shown = msgspec.structs.asdict(found) | {"certificate": certificate}
    if call.terminal.as_json:
        call.terminal.value(shown)
        return FINE
    times = {name: moments.to_iso(shown[name]) for name in ("time", "revoked") if shown[name]}
    expires = moments.to_iso(certificate.expires) if certificate else None
    for name, value in (shown | times | {"certificate": expires}).items():
        call.terminal.line(f"{name:<14} {value if value not in (None, {}, '') else '-'}")
    return FINE


COMMAND = Command("agents show", "show one host's identity", _run, _arguments)
