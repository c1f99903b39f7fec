"""Puts the parts together: watch, ship, and both under one supervisor. No other module knows them all."""

from __future__ import annotations

import gc
import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from evidence.enrolment import Facts
from evidence.kind import Body

from . import clock, enrich, governor, identity, layout, machine, privilege, self_report, settings_file
from .accounts import Accounts
from .batching import Batching
from .certificate_notice import CertificateNotice
from .continuity import Continuity
from .decode.proc_files import Snapshot
from .enrich import Surroundings
from .environment import EnvironmentNames
from .errors import AgentError
from .exe_hash import ExeHasher
from .governor import Governor
from .identity import Identity
from .identity_watch import IdentityWatch
from .intake import Intake, Tables
from .interactive import InteractiveSessions
from .keeper import Keeper
from .kernel import procfs
from .kernel.cpu_quota import cpu_quota
from .kernel.host_paths import HostPaths
from .ladder import AUTO, climb
from .lanes import Lanes
from .last_run import LastRun, LastSettings
from .layout import Layout
from .live_feed import Climbed, LiveFeed
from .losses import LossBook
from .notify import Notifier
from .outside import Outside
from .own_processes import OwnProcesses
from .processes import ProcessTable
from .redaction import Redactor
from .sealer import Sealer, Signing
from .self_report import Before, SelfReport, Setting, Subject
from .sensor import Context, Feed, Sensor
from .sensors import all_sensors
from .settings import Settings
from .shedding import Shedding
from .signals import StopSignals
from .spool import inbox
from .spool.disk import LocalDisk
from .spool.outbox import Outbox
from .tail_server import TailServer
from .watch import Parts, Watch

_STEP = 0.05
_GARBAGE = 20_000
"""New containers between two looks for reference cycles: watch makes hardly any, and a look costs CPU."""

_RENEWAL = "renewal.json"
_FIRST = ("process", "dns")
"""The sensors that are read first, so that the others can name processes and addresses."""


def watch(settings: Settings, supervisor: int | None = None) -> int:
    """See the host until SIGTERM or SIGINT; supervisor is the pid that started this process beside ship.

    Returns:
        0, or 1 when not all could be sealed at the end.

    Raises:
        NotEnrolled: this host has no identity yet.
        IdentityError: it has one that does not fit.
        SpoolError: the spool cannot be opened.
    """
    places = Layout(settings.state)
    layout.prepare(places, privilege.ship_account())
    _make_runtime(settings.runtime)
    who = identity.load(places)
    tail = TailServer(settings.runtime)
    signals = StopSignals()
    try:
        parts = _parts(settings, places, who, tail, signals=signals, supervisor=supervisor)
        gc.freeze()
        gc.set_threshold(_GARBAGE)
        return 0 if Watch(parts).run() else 1
    finally:
        signals.close()
        tail.close()


def _parts(
    settings: Settings,
    places: Layout,
    who: Identity,
    tail: TailServer,
    *,
    signals: StopSignals,
    supervisor: int | None,
) -> Parts:
    outbox = _open_outbox(settings, places, who)
    last_run, lanes, losses = LastRun(places.watch), Lanes(settings.batch), LossBook()
    boot = clock.boot_id()
    continuity = Continuity(settings, outbox, who, boot)
    continuity.restore(lanes, losses, clock.read())
    before = _before(outbox, last_run, settings, continuity.left.last_seq)
    signing = Signing(who.agent, who.epoch, who.signer, boot)
    reopen = partial(_open_outbox, settings, places, who)
    sealer = Sealer(outbox, reopen, signing, partial(_answer_renewal, places, who))
    redactor = Redactor(who.redaction_key, settings.redaction)
    processes = ProcessTable(settings.process.table, partial(_look_up, redactor))
    own = OwnProcesses({os.getpid()} | ({supervisor} if supervisor is not None else set()))
    sessions = InteractiveSessions(settings.batch.session_quota)
    tables = Tables(processes, own, sessions, IdentityWatch())
    share = governor.budget(settings.governor.cpu_share, cpu_quota())
    shedding = Shedding(Governor(share), sessions)
    intake = Intake(
        lanes,
        losses,
        tables,
        enrich.all_enrichments(),
        Surroundings(
            processes,
            redactor,
            EnvironmentNames(settings.process.environment),
            Accounts().name,
            HostPaths(time.monotonic_ns).find,
        ),
        hasher=ExeHasher(time.monotonic_ns),
        last_seq=before.last_seq,
        publish=tail.publish,
        shedding=shedding,
        remember=continuity.unsealed.add,
    )
    context = Context(
        _scanning(settings, share),
        places.watch,
        processes,
        clock.read,
        shedding=shedding,
        own=partial(own.beside, os.getpid()),
    )
    feeds = _feeds(context, continuity)
    facts, notifier = machine.read(), Notifier(os.environ, supervisor)
    subject = Subject(facts, who.agent, os.getpid(), clock.read().time)
    return Parts(
        clock=clock.read,
        heartbeat=settings.heartbeat,
        feeds=feeds,
        intake=intake,
        losses=losses,
        batching=Batching(lanes, losses, sealer, Keeper(), last_run, unsealed=continuity.unsealed),
        report=SelfReport(subject, intake, lanes, tables),
        outside=Outside(settings.runtime, notifier, own, supervisor),
        begin=_begin(settings, Beginning(facts, before, last_run, losses, feeds, continuity)),
        keep=continuity.keeper(losses),
        govern=lambda mono: shedding.measure(mono, time.process_time_ns()),
        notices=CertificateNotice(partial(inbox.read_state, LocalDisk(), places.inbox), last_run).due,
        waits=((tail.fileno(), tail.accept), (signals.fileno(), signals.drain)),
        stopped=signals.reason,
        test_wished=signals.take_test,
        watchdog=notifier.watchdog,
    )


def _scanning(settings: Settings, share: float) -> Settings:
    """Return settings under which a scan uses half of the share watch has at most: it shall cost no event."""
    scan = min(settings.file.scan_cpu_share, share / 2)
    file = msgspec.structs.replace(settings.file, scan_cpu_share=scan)
    return msgspec.structs.replace(settings, file=file)


def _feeds(context: Context, continuity: Continuity) -> tuple[LiveFeed, ...]:
    """Return the sensors in the order in which they are read."""
    order = {name: place for place, name in enumerate(_FIRST)}
    sensors = sorted(all_sensors(), key=lambda one: (order.get(one.name, len(order)), one.name))
    feeds: list[LiveFeed] = []
    around = msgspec.structs.replace(context, rungs=lambda: {feed.name: feed.rung for feed in feeds})
    feeds += (LiveFeed(sensor, partial(_climb, around, continuity)) for sensor in sensors)
    return tuple(feeds)


def _climb(context: Context, continuity: Continuity, sensor: Sensor) -> Climbed:
    choice = getattr(context.settings, sensor.name, None)
    around = msgspec.structs.replace(context, rings=continuity.rings.of(sensor.name))
    return continuity.noted(sensor.name, climb(sensor, around, _wait, getattr(choice, "rung", AUTO)))


def _wait(feed: Feed) -> None:
    """Wait until feed is readable or its period is over."""
    period = feed.period
    seconds = _STEP if period is None else min(period, _STEP)
    filenos = feed.filenos()
    if filenos:
        select.select(filenos, (), (), seconds)
    else:
        time.sleep(seconds)


def _look_up(redactor: Redactor, pid: int) -> Snapshot | None:
    """Read a process that no event told of; what the table keeps of it holds no secret either."""
    found = procfs.read_process(pid)
    return None if found is None else msgspec.structs.replace(found, argv=redactor.argv(found.argv))


def _open_outbox(settings: Settings, places: Layout, who: Identity) -> Outbox:
    return Outbox.open(
        places.spool,
        who.spool_key,
        settings.spool,
        chain=who,
        memory=places.memory,
    )


def _answer_renewal(places: Layout, who: Identity) -> None:
    """Vouch for a certificate that expired, if ship asks."""
    if (places.inbox / _RENEWAL).exists():
        from . import renewal  # noqa: PLC0415 - seldom needed, and large

        renewal.answer(LocalDisk(), places, who)


def _before(outbox: Outbox, last_run: LastRun, settings: Settings, last_seq: int) -> Before:
    """Return how the last run ended. After an unclean end the blind time begins with what was not sealed."""
    blind_from = outbox.last_sent
    if blind_from is not None and not outbox.clean:
        covered = last_run.covered()
        longest = int((settings.batch.bulk_age + settings.batch.priority_age) * 1e9)
        blind_from = min(blind_from, covered) if covered is not None else max(blind_from - longest, 0)
    return Before(outbox.clean, max(outbox.last_event_seq, last_seq), blind_from)


@dataclass(frozen=True)
class Beginning:
    """What the first events of a run are made of."""

    facts: Facts
    before: Before
    last_run: LastRun
    losses: LossBook
    feeds: tuple[LiveFeed, ...]
    continuity: Continuity


def _begin(settings: Settings, of: Beginning) -> Callable[[int], tuple[Body, ...]]:
    values, sha256 = settings_file.effective(settings), settings_file.digest(settings)

    def begin(now: int) -> tuple[Body, ...]:
        moment = clock.read()
        blind = of.continuity.blind(of.feeds, moment)
        of.losses.sign(of.before.loss(now, blind))
        for lost in of.continuity.told_while_dead(of.feeds, of.before.blind_from, moment):
            of.losses.add(lost)
        setting = Setting(settings.scope, time.strftime("%z"), sha256)
        logged_in = of.continuity.logged_in(moment, Accounts().name)
        start = self_report.start(of.facts, of.before, now, setting, blind=blind, logged_in=logged_in)
        change = self_report.config_change(of.last_run.settings(), values, sha256)
        with suppress(OSError):  # then the change is told again at the next start
            of.last_run.keep_settings(LastSettings(sha256, values))
        return (start,) if change is None else (start, change)

    return begin


def _make_runtime(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise AgentError(f"{folder}: {error.strerror}; run as root, or set `runtime`") from error
