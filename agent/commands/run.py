"""`run`: watch and ship as two processes under one supervisor."""

from __future__ import annotations

import os
from functools import partial

from .. import privilege, process
from ..command import NOT_ENROLLED, Command, Invocation
from ..errors import NotEnrolled
from ..layout import Layout
from ..settings import Settings
from ..supervise import Child, Supervisor


def _run(call: Invocation) -> int:
    settings = call.settings()
    places = Layout(settings.state)
    if not places.identity.exists():
        raise NotEnrolled(f"not enrolled ({places.identity} is missing): run `vedette-agent enroll`")
    if os.geteuid() != 0:
        call.console.warn(
            "not started by root: sensors that need it are degraded, see `vedette-agent status`"
        )
    watch = partial(call.guard, partial(_watch, settings, os.getpid()), "watch")
    ship = partial(call.guard, partial(_ship, settings), "ship")
    children = (
        Child("vedette-watch", watch, frozenset({NOT_ENROLLED})),
        Child("vedette-ship", ship, frozenset({NOT_ENROLLED})),
    )
    return Supervisor(children, call.console.warn).run()


def _watch(settings: Settings, supervisor: int) -> int:
    process.give_back_memory()
    from .. import run  # noqa: PLC0415 - each process loads only its own parts

    return run.watch(settings, supervisor)


def _ship(settings: Settings) -> int:
    from .ship import ship  # noqa: PLC0415 - as above

    account = privilege.ship_account()
    if account is not None:
        # Only now: the program's own files need not be readable for that user.
        privilege.drop(account)
        process.die_with_parent("vedette-ship")
    return ship(settings)


COMMAND = Command("run", "watch this host and ship what was seen, until stopped", _run)
