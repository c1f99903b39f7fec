"""The process that owns the ledger: the ingest listener, the ledger's socket, group commit, until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import uvicorn
import uvloop

from evidence.errors import EvidenceError

from .. import paths, tls
from ..clock import Clock, SystemClock
from ..errors import CollectorError, NotSetUp, Refused
from ..ledger.publish import Published
from ..ledger_access import log_name
from ..ledger_access.keeper import Keeper
from ..paths import Paths
from ..settings import Settings
from . import ledger_server
from .admission import Admission, DiskFloor
from .group import GroupCommit
from .ingest import Ingest, Offered, Renew
from .intake import Intake
from .ledger_server import LedgerServer
from .mutual_tls import Connections
from .presence import Presence
from .quota import Quota

_KEEP_ALIVE_SECONDS = 120
"""An agent's idle connection stays open this long: a handshake costs as much as several batches."""
_SHUTDOWN_SECONDS = 10
_TURNED_AWAY_SECONDS = 30.0
_PRESENCE_SECONDS = 0.5
_SWITCH_SECONDS = 0.0005
"""How soon the thread that comes back from the disk gets the interpreter; the default is ten times this."""
_log = logging.getLogger("vedette.ingest")


def serve(
    settings: Settings,
    listening: socket.socket,
    ready: Callable[[], None],
    renew: Renew | None = None,
    offered: Offered | None = None,
) -> None:
    """Serve ingest on a bound socket until SIGTERM or SIGINT; ready is called once it serves.

    Raises:
        LedgerError: in use, damaged, shorter than its last checkpoint, or its device failed while serving.
        NotSetUp: keys or certificates are missing.
    """
    places = paths.of(settings)
    clock = SystemClock()
    keeper = Keeper(places, log_name.read(places, settings).origin, clock)
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    try:
        parts = _assemble(settings, keeper, clock, ready, _Answers(renew, offered))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(parts, places, listening))
    finally:
        keeper.close()


class _Server(uvicorn.Server):
    """Says when it serves, and leaves signals to its caller."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections."""
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@dataclass(frozen=True)
class _Answers:
    """What is asked now and then besides batches."""

    renew: Renew | None
    offered: Offered | None


@dataclass(frozen=True)
class _Parts:
    """What the running process is made of."""

    keeper: Keeper
    group: GroupCommit
    intake: Intake
    presence: Presence
    context: ssl.SSLContext
    server: _Server


def _assemble(
    settings: Settings, keeper: Keeper, clock: Clock, ready: Callable[[], None], answers: _Answers
) -> _Parts:
    places, limits = paths.of(settings), settings.ingest
    quota = Quota(limits.agent_batches_per_minute, limits.agent_bytes_per_minute)
    group = GroupCommit(keeper.ledger)
    intake = Intake(keeper, group, quota, clock)
    presence = Presence()
    app = Ingest(
        intake,
        Admission(limits.queue_batches, limits.queue_bytes),
        DiskFloor(places.ledger, limits.free_floor_bytes, clock),
        Published(places.ledger),
        answers.renew,
        offered=answers.offered,
    )
    context = tls.server_context(places.ingest_certificate, _anchors(places))
    config = uvicorn.Config(
        app,
        http=Connections(presence, clock),  # type: ignore[arg-type]  # uvicorn only calls it
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    config.load()
    config.ssl = context
    return _Parts(keeper, group, intake, presence, context, _Server(config, ready))


def _anchors(places: Paths) -> str:
    try:
        return places.anchors.read_text()
    except OSError as error:
        raise NotSetUp(f"{places.anchors}: {error.strerror}; run `vedette-collector setup`") from error


async def _serve(parts: _Parts, places: Paths, listening: socket.socket) -> None:
    server = parts.server
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, server)
    committing = asyncio.create_task(parts.group.run())
    committing.add_done_callback(lambda _: _stop(server))
    chores = [
        asyncio.create_task(tls.keep_fresh(parts.context, places.ingest_certificate)),
        asyncio.create_task(_record_turned_away(parts.intake)),
        asyncio.create_task(_record_gone(parts.intake, parts.presence)),
    ]
    connected = LedgerServer(parts.intake, parts.keeper).connected
    calls = await asyncio.start_unix_server(connected, sock=ledger_server.bind(places))
    try:
        await server.serve(sockets=[listening])
    finally:
        calls.close()
        for chore in chores:
            chore.cancel()
        if not committing.done():
            await _tell_turned_away(parts.intake)
        committing.cancel()
        parts.group.close()
    await _outcome(committing)


def _stop(server: uvicorn.Server) -> None:
    server.should_exit = True


async def _outcome(committing: asyncio.Task[None]) -> None:
    """Raise what ended the group commit, if it was not us."""
    with contextlib.suppress(asyncio.CancelledError):
        await committing


async def _record_turned_away(intake: Intake) -> None:
    while True:
        await asyncio.sleep(_TURNED_AWAY_SECONDS)
        await _tell_turned_away(intake)


async def _tell_turned_away(intake: Intake) -> None:
    try:
        await intake.record_turned_away()
    except (CollectorError, EvidenceError) as error:
        _log.error("what revoked agents sent could not be recorded yet: %s", error)


async def _record_gone(intake: Intake, presence: Presence) -> None:
    """Record whose connection broke off and was not made anew; the rules read it from the ledger."""
    while True:
        await asyncio.sleep(_PRESENCE_SECONDS)
        for act in presence.acts(time.monotonic()):
            try:
                intake.peer(act.object)
                await intake.record(act)
            except Refused as refused:
                _log.debug("%s: its connection's end is not recorded: %s", act.object, refused)
            except (CollectorError, EvidenceError) as error:
                _log.error("the end of %s's connection could not be recorded: %s", act.object, error)
