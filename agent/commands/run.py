"""`run`: watch and ship as two processes under one supervisor."""

from __future__ import annotations

import gc
import os
from functools import partial

from ..command import NOT_ENROLLED, Command, Invocation
from ..errors import NotEnrolled
from ..layout import Layout
from ..settings import Settings
from ..supervision import privilege, process, vitals
from ..supervision.supervise import Child, Supervisor


def _run(call: Invocation) -> int:
    settings = call.settings()
    places = Layout(settings.state)
    if not places.identity.exists():
        raise NotEnrolled(f"not enrolled ({places.identity} is missing): run `vedette-agent enroll`")
    if os.geteuid() != 0:
        call.console.warn(
            "not started by root: sensors that need it are degraded, see `vedette-agent status`"
        )
    watching = partial(call.guard, partial(_watch, settings, os.getpid()), "watch")
    shipping = partial(call.guard, partial(_ship, settings), "ship")
    children = (
        Child("vedette-watch", watching, frozenset({NOT_ENROLLED})),
        Child("vedette-ship", shipping, frozenset({NOT_ENROLLED})),
    )
    _share_memory()
    return Supervisor(children, call.console.warn).run()


def _share_memory() -> None:
    """Leave what is loaded by now where it is: a page that no process writes is one page for all three.

    A look for garbage would write to each object, and what is freed would be filled with a child's own.
    """
    process.give_back_memory()
    gc.collect()
    vitals.give_back()
    gc.freeze()


def _watch(settings: Settings, supervisor: int) -> int:
    from .. import run  # noqa: PLC0415 - half of its pages would be copied, and the others need none of it

    return run.watch(settings, supervisor)


def _ship(settings: Settings) -> int:
    from .ship import ship  # noqa: PLC0415 - as above

    account = privilege.ship_account()
    if account is not None:
        from ..shipping import tls_key  # noqa: F401, PLC0415 - a renewal loads it, and that user may not read it

        # Only now: the program's own files need not be readable for that user.
        privilege.drop(account)
        process.die_with_parent("vedette-ship")
    vitals.give_back()
    return ship(settings)


COMMAND = Command("run", "watch this host and ship what was seen, until stopped", _run)
