"""What makes a kill cost nothing: pinned rings, and files of what was taken in and not yet sealed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from evidence.kinds.agent import LoggedIn, SensorHealth

from .errors import AgentError
from .identity import Identity
from .kernel import pin_folders, procfs, scope
from .kernel.pin_folders import AgentFolder, Unpinned
from .kernel.rings import Rings
from .layout import Layout
from .live_feed import Climbed, LiveFeed
from .logins import logged_in
from .sealing.lanes import LANES, Lanes, Queued
from .sealing.losses import LossBook, Lost
from .sealing.unsealed import Spooled, Unsealed
from .sensor import Moment
from .settings import Settings
from .spool.outbox import Outbox

NAMESPACE = "namespace"


class Continuity:
    """The state of this run that outlives a kill, and what the last run left of its own."""

    def __init__(self, settings: Settings, outbox: Outbox, who: Identity, boot: str) -> None:
        """Read what the last run left.

        Raises:
            RungUnavailable: the agent's own namespaces cannot be told.
            AgentError: another watch runs with this state.
        """
        sealed = {lane: outbox.sealed(lane) for lane in LANES}
        heads = {lane: outbox.head(lane).seq for lane in LANES}
        spooled = Spooled(f"{who.agent} {who.epoch}", boot, sealed, heads)
        self.unsealed = Unsealed(settings.runtime, spooled)
        self.left = self.unsealed.found
        seen = scope.own() if settings.scope == NAMESPACE else scope.HOST
        folder = _own_folder(Layout(settings.state).watch)
        self.rings = Rings(folder, seen, self.left.left)
        self._clean = outbox.clean

    def restore(self, lanes: Lanes, losses: LossBook, now: Moment) -> None:
        """Queue what the last run had not sealed, under its numbers, and its losses."""
        for lane in LANES:
            left = [
                Queued(line, event.seq, event.time, now.mono)
                for at, event, line in self.left.events
                if at == lane
            ]
            lanes.queue(lane).restore(left)
        losses.sign(self.left.losses)

    def keeper(self, losses: LossBook) -> Callable[[str], None]:
        """Return what is to be called once all that a sensor saw has been taken in."""

        def keep(sensor: str) -> None:
            waiting = losses.waiting() if losses.changed() else None
            changes = self.rings.changes(sensor)
            if waiting is not None or changes or self.unsealed.pending:
                self.unsealed.keep(self.rings.positions(sensor), self.rings.counted(), waiting, changes)
            self.rings.release(sensor)

        return keep

    def blind(self, feeds: Iterable[LiveFeed], now: Moment) -> dict[str, int]:
        """Return the sensors that missed something since the last run, and until when (UTC ns).

        A sensor whose rings recorded on missed nothing, nor did one that has nothing to see on this host.
        """
        bridged = self.left.whole and not self._clean
        return {
            feed.name: now.time
            for feed in feeds
            if feed.applies and not (bridged and self.rings.continued(feed.name))
        }

    def told_while_dead(self, feeds: Iterable[LiveFeed], since: int | None, now: Moment) -> tuple[Lost, ...]:
        """Return what rings that recorded on could not take; since is the end of the last run (UTC ns)."""
        return tuple(
            Lost(loss.sensor, loss.cause, loss.count, since, now.time, suggestion=loss.suggestion)
            for feed in feeds
            for loss in feed.losses(now)
        )

    def logged_in(self, now: Moment, name: Callable[[int], str | None]) -> tuple[LoggedIn, ...]:
        """Return who is logged in after an unclean end; nobody is asked after a clean one."""
        if self._clean:
            return ()
        found = [procfs.read_process(int(each)) for each in os.listdir("/proc") if each.isdigit()]  # noqa: PTH208 - names alone
        return logged_in.sessions([one for one in found if one is not None], now, name)

    def noted(self, sensor: str, climbed: Climbed) -> Climbed:
        """Return climbed with the reason why a kill would blind this sensor, if it would."""
        problem = self.rings.problem(sensor)
        if problem is None or not climbed.tried:
            return climbed
        last = climbed.tried[-1]
        health = SensorHealth(rung=last.rung, works=last.works, reason=problem.reason, fix=problem.fix)
        return Climbed(climbed.feed, climbed.rung, (*climbed.tried[:-1], health), climbed.seen)


def _own_folder(home: Path) -> AgentFolder | Unpinned:
    """Return the folder for the pins of this agent, whose state is in home, and remove those of dead ones.

    Raises:
        AgentError: another watch runs with this state.
    """
    found = pin_folders.agent_folder(home)
    if isinstance(found, AgentFolder) and pin_folders.hold(home) is None:
        raise AgentError(f"another watch runs with the state in {home.parent}; stop it first")
    pin_folders.remove_gone()
    return found
