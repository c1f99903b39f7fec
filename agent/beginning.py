"""The first events of a run: how the last one ended, who was logged in meanwhile, what settings changed."""

from __future__ import annotations

import time
from contextlib import suppress

import msgspec

from evidence.enrolment import Facts
from evidence.kind import Body

from . import clock, settings_file
from .accounts import Accounts
from .continuity import Continuity
from .live_feed import LiveFeed
from .policy.fleet_policy import FleetPolicy
from .reporting import self_report
from .reporting.self_report import Before, Setting
from .sealing.lanes import Lanes
from .sealing.last_run import LastRun, LastSettings
from .sealing.losses import LossBook
from .settings import Settings
from .spool.outbox import Outbox


class Untold(msgspec.Struct, frozen=True):
    """What is still to be told: events that wait, losses, and what the last run left."""

    lanes: Lanes
    losses: LossBook
    continuity: Continuity
    last_run: LastRun
    before: Before


class Beginning(msgspec.Struct, frozen=True):
    """What the first events are made of."""

    settings: Settings
    facts: Facts
    untold: Untold
    feeds: tuple[LiveFeed, ...]
    policy: FleetPolicy

    def events(self, now: int) -> tuple[Body, ...]:
        """Sign the losses of the time between the runs; return agent.start and any change of settings.

        now is UTC ns.
        """
        of, moment = self.untold, clock.read()
        values, sha256 = settings_file.effective(self.settings), settings_file.digest(self.settings)
        blind = of.continuity.blind(self.feeds, moment)
        of.losses.sign(of.before.loss(now, blind))
        for lost in of.continuity.told_while_dead(self.feeds, of.before.blind_from, moment):
            of.losses.add(lost)
        setting = Setting(self.settings.scope, time.strftime("%z"), sha256, self.policy.digest)
        logged_in = of.continuity.logged_in(moment, Accounts().name)
        start = self_report.start(self.facts, of.before, now, setting, blind=blind, logged_in=logged_in)
        change = self_report.config_change(of.last_run.settings(), values, sha256)
        remember(of.last_run, self.settings)
        return (start, *((change,) if change is not None else ()), *self.policy.begin())


def remember(last_run: LastRun, settings: Settings) -> None:
    """Note the effective settings, so that the next start tells what changed since."""
    noted = LastSettings(settings_file.digest(settings), settings_file.effective(settings))
    with suppress(OSError):  # then the change is told again at the next start
        last_run.keep_settings(noted)


def how_it_ended(outbox: Outbox, last_run: LastRun, settings: Settings, last_seq: int) -> Before:
    """Return how the last run ended. After an unclean end the blind time begins with what was not sealed.

    last_seq is that of the newest event known, sealed or not.
    """
    blind_from = outbox.last_sent
    if blind_from is not None and not outbox.clean:
        covered = last_run.covered()
        longest = int((settings.batch.bulk_age + settings.batch.priority_age) * 1e9)
        blind_from = min(blind_from, covered) if covered is not None else max(blind_from - longest, 0)
    return Before(outbox.clean, max(outbox.last_event_seq, last_seq), blind_from)
