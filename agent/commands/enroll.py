"""`enroll`: get this host an identity from the collector, with a token that is never on the command line."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from evidence.enrolment import Token, parse_token
from evidence.errors import EvidenceError

from .. import enrol, identity
from ..command import FINE, Command, Invocation
from ..errors import IdentityError
from ..layout import Layout
from ..privilege import ship_account

_VARIABLE = "VEDETTE_TOKEN"
_LIMIT = 4096


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help=f"the token; else ${_VARIABLE}, else standard input"
    )


def _run(call: Invocation) -> int:
    settings = call.settings()
    layout = Layout(settings.state)
    if layout.identity.exists():
        stored = identity.read(layout)
        identity.load_binding(layout)
        _say(call, stored, "already enrolled")
        return FINE
    token = _token(call.options.token_file)
    stored = enrol.enrol(layout, settings.collector, token, ship_account(), os.urandom)
    _say(call, stored, "enrolled")
    return FINE


def _say(call: Invocation, stored: identity.Stored, how: str) -> None:
    if call.console.as_json:
        call.console.value({"agent": stored.agent, "epoch": stored.epoch, "status": how})
    else:
        call.console.line(f"{how} as agent {stored.agent}, epoch {stored.epoch}")


def _token(file: Path | None) -> Token:
    """Read the token line.

    Raises:
        IdentityError: there is none, or it is not one; its secret is never shown.
    """
    try:
        if file is not None:
            with file.open(encoding="utf-8") as opened:
                line = opened.read(_LIMIT)
        elif _VARIABLE in os.environ:
            line = os.environ[_VARIABLE]
        else:
            line = sys.stdin.readline(_LIMIT)
        return parse_token(line)
    except (OSError, UnicodeDecodeError) as error:
        raise IdentityError(f"{file}: cannot be read: {error}") from error
    except EvidenceError as error:
        raise IdentityError(f"{error} (--token-file FILE, ${_VARIABLE}, or standard input)") from error


COMMAND = Command("enroll", "get this host an identity from the collector", _run, _arguments)
