"""The ship process: builds the parts, loops until told to stop, and leaves its state for watch to read."""

from __future__ import annotations

import os
import random
import time
from contextlib import suppress

import msgspec

from .. import identity
from ..errors import IdentityError, NotEnrolled
from ..layout import Layout
from ..settings import Settings
from ..spool import inbox
from ..spool.disk import LocalDisk
from ..spool.outbox import HEADS_FILE
from ..spool.outgoing import Outgoing
from ..supervision import vitals
from ..supervision.mapped_files import MappedFiles
from ..supervision.notify import Notifier
from ..supervision.signals import Stopped, StopSignals
from .channel import Channel
from .policy_fetch import PolicyFetcher
from .renewer import Renewer
from .ship import IDLE, Shipper
from .wake import Alarm

DRAIN = 10.0
"""Seconds to send what is left after a stop signal."""
FAREWELL = 2.0
"""Seconds to wait for watch's farewell where the supervisor was killed: both are told to end at once then."""
_LOOK = 0.1
_STATE_EVERY = 5.0
_SECOND = 1_000_000_000


class ShipProcess:
    """Ship, ready to run. It needs no privilege: its own folder, and the spool's two."""

    def __init__(self, settings: Settings, notifier: Notifier) -> None:
        """Build ship from settings; notifier hears that it lives.

        Raises:
            NotEnrolled: this host has no identity yet.
            IdentityError: it is damaged, or this machine is a clone: nothing is shipped.
        """
        self._parent = os.getppid()
        self._notifier = notifier
        layout = Layout(settings.state)
        identity.load_binding(layout)
        try:
            key = layout.spool_key.read_bytes()
        except FileNotFoundError as error:
            raise NotEnrolled(f"{layout.spool_key} is missing: run `vedette-agent enroll`") from error
        except OSError as error:
            raise IdentityError(f"{layout.spool_key}: {error.strerror}") from error
        shared = LocalDisk()
        self._layout, self._disk = layout, shared
        self._channel = Channel(layout, settings.collector)
        outgoing = Outgoing(layout.spool, key, shared)
        self._shipper = Shipper(layout, outgoing, shared, self._channel, random.random)
        self._renewer = Renewer(
            layout,
            settings.collector,
            self._channel,
            shared=shared,
            secret=LocalDisk(0o600),
            clock=time.time,
        )
        self._policies = PolicyFetcher(
            layout.handed_policy,
            self._channel.get,
            shared,
            every=settings.policy.fetch_seconds if settings.policy.accept else None,
            chance=random.random,
        )
        self._alarm = Alarm(layout.out / HEADS_FILE)
        self._mapped = MappedFiles()
        self._written = 0.0
        self._last: inbox.ShipState | None = None

    def run(self, signals: StopSignals) -> None:
        """Ship until a signal comes, then what is left, for a few seconds at most.

        A signal ends also a post without an answer: all here outlives a kill.
        """
        self._notifier.ready(self._problem())
        try:
            with suppress(Stopped):
                self._until(signals)
            self._notifier.stopping()
            with signals.limited(DRAIN):
                self._drain()
        finally:
            self._leave_state(at_once=True)
            self._channel.close()
            self._alarm.close()

    def _until(self, signals: StopSignals) -> None:
        while signals.reason() is None:
            with signals.interruptible():
                pause = self._renewer.tick()
                wait = self._shipper.step(time.monotonic())
                pause = min(pause, self._policies.tick(time.monotonic()))
                if wait > 0:
                    self._channel.keep_open()
                self._leave_state()
            if wait > 0:
                watched = (signals.fileno(), *self._channel.filenos())
                self._alarm.wait(min(wait, pause, IDLE), watched)

    def _drain(self) -> None:
        """Send what watch sealed last, its farewell too; no collector that does not answer is waited for."""
        self._channel.close()  # a post may have been ended in its middle
        alone = os.getppid() != self._parent or self._notifier.listens
        last = time.monotonic() + (FAREWELL if alone else 0.0)
        while True:
            self._shipper.look_again()
            while self._shipper.step(time.monotonic()) == 0:
                pass
            if time.monotonic() >= last:
                break
            self._alarm.wait(_LOOK)

    def _problem(self) -> str:
        return self._shipper.state.problem or self._renewer.problem or "ships"

    def _leave_state(self, *, at_once: bool = False) -> None:
        """Each five seconds at most, feed the watchdog, and write how shipping goes when that changed.

        Memory that is not needed any more goes back to the host.
        """
        now = time.monotonic()
        if not at_once and now - self._written < _STATE_EVERY:
            return
        self._written = now
        vitals.give_back()
        self._mapped.let_go(now)
        self._notifier.alive(self._problem())
        life = self._renewer.life()
        state = msgspec.structs.replace(
            self._shipper.state,
            problem=self._shipper.state.problem or self._renewer.problem,
            certificate_until=int(life.ends) * _SECOND if life else None,
            certificate_days=life.warning(time.time()) if life else None,
        )
        if state != self._last:
            self._last = state
            stamped = msgspec.structs.replace(state, time=time.time_ns())
            with suppress(OSError):
                raw = inbox.encode_state(stamped)
                self._disk.replace(self._layout.inbox / inbox.STATE_FILE, raw, durable=False)
