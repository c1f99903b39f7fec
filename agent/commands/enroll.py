"""`enroll`: get this host an identity from the collector, with a token that is never on the command line.

Unattended (`--wait`) it goes on asking while the collector is away, and a host without a token is no fault.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import time
from pathlib import Path

from evidence import policy

from .. import identity, machine
from ..command import FINE, FOUND, Command, Invocation
from ..enrolment import enrol, reset, token_source
from ..enrolment.token_source import Found
from ..errors import CollectorAway, IdentityError, NotEnrolled
from ..layout import Layout
from ..settings import Settings
from ..shipping import delivery
from ..supervision.privilege import ship_account


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"the token; else systemd's credential {token_source.CREDENTIAL}, ${token_source.VARIABLE}, "
        f"{token_source.WAITED_FOR}, or standard input",
    )
    parser.add_argument(
        "--policy-key",
        type=Path,
        metavar="FILE",
        help="the fleet's public policy key to pin; else a second line of the token file",
    )
    parser.add_argument(
        "--wait", action="store_true", help="ask again while the collector is away; never ask a person"
    )
    parser.add_argument(
        "--delete-token", action="store_true", help="delete the token's file once this host is enrolled"
    )
    parser.add_argument(
        "--needed", action="store_true", help="only tell whether this host must enrol: 0 if so, 1 if not"
    )


def _run(call: Invocation) -> int:
    settings = call.settings()
    layout = Layout(settings.state)
    moved = _moved(layout)
    there = layout.identity.exists() and moved is None
    if call.options.needed:
        call.console.value({"needed": not there}) if call.console.as_json else None
        return FOUND if there else FINE
    if there:
        identity.load_binding(layout)
        stored = identity.read(layout)
        _check_pinned(call.options.policy_key, stored)
        _say(call, stored, "already enrolled")
        return FINE
    found = token_source.find(call.options.token_file, os.environ)
    if found is None and not call.options.wait and moved is None:
        found = token_source.ask()
    if found is None:
        return _no_token(call, moved)
    if moved is not None:
        call.console.error(
            f"this machine is a copy of the enrolled one: {moved}; the copied identity is dropped"
        )
        reset.remove(layout)
    _say(call, _enrol(call, settings, layout, found), "enrolled")
    return FINE


def _check_pinned(file: Path | None, stored: identity.Stored) -> None:
    """Refuse to pretend that a key was pinned.

    Raises:
        IdentityError: this host is enrolled with another key, or without one.
    """
    if file is not None and token_source.policy_key(file).hex() != stored.policy_key:
        raise IdentityError(
            f"{file}: enrolled before with another policy key, or none; "
            f'write [policy] key = "{policy.key_line(token_source.policy_key(file))}" into agent.toml'
        )


def _moved(layout: Layout) -> str | None:
    """Return how this machine differs from the one whose identity lies here; None if it does not.

    Raises:
        IdentityError: the identity is damaged: that is for a person to look at.
    """
    with contextlib.suppress(NotEnrolled):
        return machine.moved(identity.read(layout).facts, machine.read())
    return None


def _no_token(call: Invocation, moved: str | None) -> int:
    """Say what is missing; waiting for a token is no fault, speaking with another's identity would be."""
    if moved is not None and not call.options.wait:
        raise IdentityError(
            f"this machine is a copy of the enrolled one: {moved}; give a token of its own: --token-file FILE"
        )
    status = "copied, waiting for a token" if moved is not None else "waiting for a token"
    if call.console.as_json:
        call.console.value({"status": status, "token": str(token_source.WAITED_FOR)})
    else:
        call.console.line(f"{status} in {token_source.WAITED_FOR}")
    return FINE


def _enrol(call: Invocation, settings: Settings, layout: Layout, found: Found) -> identity.Stored:
    if found.problem is not None:
        call.console.error(found.problem)
    file = call.options.policy_key
    key = found.policy_key if file is None else token_source.policy_key(file)
    tries = 0
    while True:
        try:
            stored = enrol.enrol(
                layout, settings.collector, found.token, ship_account(), os.urandom, policy_key=key
            )
        except CollectorAway as error:
            if not call.options.wait:
                raise
            pause = delivery.backoff(tries, random.random())  # noqa: S311 - spreads hosts, is no secret
            tries += 1
            call.console.error(f"{error}; asked again in {pause:.0f} s")
            time.sleep(pause)
            continue
        if call.options.delete_token and found.file is not None:
            found.file.unlink(missing_ok=True)
        return stored


def _say(call: Invocation, stored: identity.Stored, how: str) -> None:
    if call.console.as_json:
        call.console.value({"agent": stored.agent, "epoch": stored.epoch, "status": how})
    else:
        call.console.line(f"{how} as agent {stored.agent}, epoch {stored.epoch}")


COMMAND = Command("enroll", "get this host an identity from the collector", _run, _arguments)
