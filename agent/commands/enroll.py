"""`enroll`: get this host an identity from the collector, with a token that is never on the command line."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from evidence import policy
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
    parser.add_argument(
        "--policy-key",
        type=Path,
        metavar="FILE",
        help="the fleet's public policy key to pin; else a second line of the token file",
    )


def _run(call: Invocation) -> int:
    settings = call.settings()
    layout = Layout(settings.state)
    if layout.identity.exists():
        stored = identity.read(layout)
        identity.load_binding(layout)
        _check_pinned(call.options.policy_key, stored)
        _say(call, stored, "already enrolled")
        return FINE
    token, key = _token(call.options.token_file)
    if call.options.policy_key is not None:
        key = _key(call.options.policy_key)
    stored = enrol.enrol(layout, settings.collector, token, ship_account(), os.urandom, policy_key=key)
    _say(call, stored, "enrolled")
    return FINE


def _say(call: Invocation, stored: identity.Stored, how: str) -> None:
    if call.console.as_json:
        call.console.value({"agent": stored.agent, "epoch": stored.epoch, "status": how})
    else:
        call.console.line(f"{how} as agent {stored.agent}, epoch {stored.epoch}")


def _check_pinned(file: Path | None, stored: identity.Stored) -> None:
    """Refuse to pretend that a key was pinned.

    Raises:
        IdentityError: this host is enrolled with another key, or without one.
    """
    if file is not None and _key(file).hex() != stored.policy_key:
        raise IdentityError(
            f"{file}: enrolled before with another policy key, or none; "
            f'write [policy] key = "{policy.key_line(_key(file))}" into agent.toml'
        )


def _key(file: Path) -> bytes:
    """Read a public key of policies.

    Raises:
        IdentityError: it cannot be read, or is none.
    """
    try:
        with file.open(encoding="utf-8") as opened:
            return policy.parse_key(opened.read(_LIMIT))
    except (OSError, UnicodeDecodeError, EvidenceError) as error:
        raise IdentityError(f"{file}: {error}") from error


def _token(file: Path | None) -> tuple[Token, bytes | None]:
    """Read the token line, and the policy key where a second line holds one.

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
        first, _, second = line.strip().partition("\n")
        return parse_token(first), policy.parse_key(second) if second else None
    except (OSError, UnicodeDecodeError) as error:
        raise IdentityError(f"{file}: cannot be read: {error}") from error
    except EvidenceError as error:
        raise IdentityError(f"{error} (--token-file FILE, ${_VARIABLE}, or standard input)") from error


COMMAND = Command("enroll", "get this host an identity from the collector", _run, _arguments)
