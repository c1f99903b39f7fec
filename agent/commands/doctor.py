"""`doctor`: what of this host helps or hinders the agent, each with the command that fixes it."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..command import FINE, FOUND, Command, Invocation
from ..reporting import doctor, support

_STYLES = {doctor.FINE: "green", doctor.WARNING: "yellow", doctor.BAD: "bold red"}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bundle",
        type=Path,
        metavar="FILE",
        help="write findings, figures and settings, redacted, for support",
    )


def _run(call: Invocation) -> int:
    findings = doctor.examine(call.settings(), call.config)
    if call.console.as_json:
        call.console.value(findings)
    else:
        for finding in findings:
            call.console.line(f"{finding.level:<8} {finding.check}: {finding.found}", _STYLES[finding.level])
            if finding.fix is not None:
                call.console.line(f"         fix: {finding.fix}")
    if call.options.bundle is not None:
        support.write(call.options.bundle, support.bundle(call.settings(), findings))
        if not call.console.as_json:
            call.console.line(f"{call.options.bundle} holds this and what support asks for, without secrets")
    return FINE if all(finding.level == doctor.FINE for finding in findings) else FOUND


COMMAND = Command("doctor", "look for what hinders the agent here, and how to fix it", _run, _arguments)
