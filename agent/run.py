"""Puts the parts together: watch, ship, and both under one supervisor. No other module knows them all."""

from __future__ import annotations

import gc
import os
import select
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from evidence import policy

from . import clock, enrich, identity, layout, machine
from .accounts import Accounts
from .beginning import Beginning, Untold, how_it_ended, remember
from .continuity import Continuity
from .decode.proc_files import Snapshot
from .enrich import Surroundings
from .environment import EnvironmentNames
from .errors import AgentError
from .exe_hash import ExeHasher
from .governing import governor
from .governing.governor import Governor
from .governing.interactive import InteractiveSessions
from .governing.shedding import Shedding
from .identity import Identity
from .identity_watch import IdentityWatch, LoginSeen, Suspect
from .intake import Intake, Tables
from .kernel import procfs
from .kernel.cpu_quota import cpu_quota
from .kernel.host_paths import HostPaths
from .kernel.rings import WATCH, Rings
from .ladder import AUTO, climb
from .layout import Layout
from .live_feed import Climbed, LiveFeed
from .own_processes import OwnProcesses
from .policy.fleet_policy import FleetPolicy, PolicyHost
from .policy.policy_store import PolicyStore
from .processes import ProcessTable
from .redaction import Redactor
from .reporting.certificate_notice import CertificateNotice
from .reporting.outside import Outside
from .reporting.self_report import SelfReport, Subject
from .reporting.tail_server import TailServer
from .sealing.batching import Batching
from .sealing.keeper import Keeper
from .sealing.lanes import Lanes
from .sealing.last_run import LastRun
from .sealing.losses import LossBook
from .sealing.sealer import Sealer, Signing
from .sensor import Context, Feed, Moment, Sensor
from .sensors import all_sensors
from .settings import Settings
from .shipping import renewal
from .spool import inbox
from .spool.disk import LocalDisk
from .spool.outbox import Outbox
from .supervision import ending, privilege
from .supervision.notify import Notifier
from .supervision.signals import StopSignals
from .watch import Parts, Retuning, Watch

_STEP = 0.05
_GARBAGE = 20_000
"""New containers between two looks for reference cycles: watch makes hardly any, and a look costs CPU."""

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
    _check_owner(places)
    layout.prepare(places, privilege.ship_account())
    _make_runtime(settings.runtime)
    ending.forget(settings.runtime)
    who = identity.load(places)
    fleet = _fleet_policy(settings, places, who)
    redactor = Redactor(who.redaction_key, settings.redaction)
    ground = Ground(fleet.settings, places, who, redactor, supervisor, fleet)
    tail = TailServer(settings.runtime)
    signals = StopSignals()
    try:
        parts = _parts(ground, tail, signals)
        gc.freeze()
        gc.set_threshold(_GARBAGE)
        return 0 if Watch(parts).run() else 1
    finally:
        signals.close()
        tail.close()


class Ground(msgspec.Struct, frozen=True):
    """What all parts of watch stand on."""

    settings: Settings
    places: Layout
    who: Identity
    redactor: Redactor
    supervisor: int | None
    policy: FleetPolicy


def _fleet_policy(settings: Settings, places: Layout, who: Identity) -> FleetPolicy:
    said = settings.policy
    host = PolicyHost(
        local=settings,
        pinned=policy.parse_key(said.key) if said.key else who.policy_key,
        labels=said.labels or who.labels,
        handed=places.handed_policy,
        disk=LocalDisk(),
    )
    return FleetPolicy(host, PolicyStore(places.watch, LocalDisk(0o600)), clock.read())


def _parts(ground: Ground, tail: TailServer, signals: StopSignals) -> Parts:
    settings, facts = ground.settings, machine.read()
    untold, sealer = _record(ground)
    processes = ProcessTable(settings.process.table, partial(_look_up, ground.redactor))
    tables = _tables(ground, processes, untold.continuity.rings)
    share = governor.budget(settings.governor.cpu_share, cpu_quota())
    shedding = Shedding(Governor(share), tables.sessions)
    intake = _intake(untold, tables, _surroundings(ground, processes), shedding, tail.publish)
    context = Context(
        settings,
        ground.places.watch,
        processes,
        clock.read,
        shedding=shedding,
        own=partial(tables.own.beside, os.getpid()),
    )
    feeds = _feeds(context, untold.continuity, lambda: _scanning(ground.policy.settings, share))
    notifier = Notifier(os.environ, ground.supervisor)
    subject = Subject(facts, ground.who.agent, os.getpid(), clock.read().time)
    return Parts(
        clock=clock.read,
        heartbeat=settings.heartbeat,
        feeds=feeds,
        intake=intake,
        losses=untold.losses,
        batching=_batching(untold, sealer),
        report=SelfReport(subject, intake, untold.lanes, tables, ground.policy.status),
        outside=Outside(settings.runtime, notifier, tables.own, ground.supervisor),
        begin=Beginning(settings, facts, untold, feeds, ground.policy).events,
        keep=untold.continuity.keeper(untold.losses),
        govern=lambda mono: shedding.measure(mono, time.process_time_ns()),
        notices=_certificate(ground, untold).due,
        policy=partial(_look_for_policy, ground.policy, untold.last_run),
        waits=((tail.fileno(), tail.accept), (signals.fileno(), signals.drain)),
        stopped=lambda: ending.reason(settings.runtime, signals.reason()),
        test_wished=signals.take_test,
        watchdog=notifier.watchdog,
    )


def _look_for_policy(fleet: FleetPolicy, last_run: LastRun, now: Moment) -> Retuning:
    """Let the fleet's policy be looked for; where the settings become others, the next start knows them."""
    before, step = fleet.settings, fleet.look(now)
    if fleet.settings is before:
        return Retuning(step.bodies)
    remember(last_run, fleet.settings)
    return Retuning(step.bodies, step.sensors, fleet.settings)


def _certificate(ground: Ground, untold: Untold) -> CertificateNotice:
    return CertificateNotice(partial(inbox.read_state, LocalDisk(), ground.places.inbox), untold.last_run)


def _surroundings(ground: Ground, processes: ProcessTable) -> Surroundings:
    return Surroundings(
        processes,
        ground.redactor,
        EnvironmentNames(ground.settings.process.environment),
        Accounts().name,
        HostPaths(time.monotonic_ns).find,
        **({"parent_command": processes.command} if ground.settings.process.parent_commands else {}),
    )


def _record(ground: Ground) -> tuple[Untold, Sealer]:
    """Take up what the last run left, and open what this one writes to."""
    settings, who, boot = ground.settings, ground.who, clock.boot_id()
    reopen = partial(
        Outbox.open,
        ground.places.spool,
        who.spool_key,
        settings.spool,
        chain=who,
        memory=ground.places.memory,
    )
    outbox, last_run = reopen(), LastRun(ground.places.watch)
    continuity = Continuity(settings, outbox, who, boot)
    before = how_it_ended(outbox, last_run, settings, continuity.left.last_seq)
    untold = Untold(Lanes(settings.batch), LossBook(), continuity, last_run, before)
    continuity.restore(untold.lanes, untold.losses, clock.read())
    signing = Signing(who.agent, who.epoch, who.signer, boot)
    return untold, Sealer(outbox, reopen, signing, partial(_answer_renewal, ground.places, who))


def _batching(untold: Untold, sealer: Sealer) -> Batching:
    unsealed = untold.continuity.unsealed
    return Batching(untold.lanes, untold.losses, sealer, Keeper(), untold.last_run, unsealed=unsealed)


def _tables(ground: Ground, processes: ProcessTable, rings: Rings) -> Tables:
    identities = IdentityWatch(
        rings.gathered(WATCH, "suspects", Suspect), rings.gathered(WATCH, "logins", LoginSeen)
    )
    own = OwnProcesses({os.getpid()} | ({ground.supervisor} if ground.supervisor is not None else set()))
    return Tables(processes, own, InteractiveSessions(ground.settings.batch.session_quota), identities)


def _intake(
    untold: Untold,
    tables: Tables,
    around: Surroundings,
    shedding: Shedding,
    publish: Callable[[bytes], None],
) -> Intake:
    return Intake(
        untold.lanes,
        untold.losses,
        tables,
        enrich.all_enrichments(),
        around,
        hasher=ExeHasher(time.monotonic_ns),
        last_seq=untold.before.last_seq,
        publish=publish,
        shedding=shedding,
        remember=untold.continuity.unsealed.add,
    )


def _scanning(settings: Settings, share: float) -> Settings:
    """Return settings under which a scan uses half of the share watch has at most: it shall cost no event."""
    scan = min(settings.file.scan_cpu_share, share / 2)
    file = msgspec.structs.replace(settings.file, scan_cpu_share=scan)
    return msgspec.structs.replace(settings, file=file)


def _feeds(
    context: Context, continuity: Continuity, settings: Callable[[], Settings]
) -> tuple[LiveFeed, ...]:
    """Return the sensors in the order in which they are read; each climbs under the settings of that time."""
    order = {name: place for place, name in enumerate(_FIRST)}
    sensors = sorted(all_sensors(), key=lambda one: (order.get(one.name, len(order)), one.name))
    feeds: list[LiveFeed] = []
    around = msgspec.structs.replace(context, rungs=lambda: {feed.name: feed.rung for feed in feeds})
    feeds += (LiveFeed(sensor, partial(_climb, around, continuity, settings)) for sensor in sensors)
    return tuple(feeds)


def _climb(
    context: Context, continuity: Continuity, settings: Callable[[], Settings], sensor: Sensor
) -> Climbed:
    now = settings()
    choice = getattr(now, sensor.name, None)
    around = msgspec.structs.replace(context, settings=now, rings=continuity.rings.of(sensor.name))
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


def _answer_renewal(places: Layout, who: Identity) -> None:
    """Vouch for a certificate that expired, if ship asks."""
    if (places.inbox / renewal.FILE).exists():
        renewal.answer(LocalDisk(), places, who)


def _check_owner(places: Layout) -> None:
    """Refuse to be root where a unit's own user keeps the state: what root wrote, that user could not change.

    Raises:
        AgentError: it is another user's; the message has the command to start the units.
    """
    owner = layout.watch_owner(places)
    if os.geteuid() == 0 and owner is not None:
        whose = f"{places.watch} is kept by uid {owner.uid}"
        raise AgentError(f"{whose}: run as that user, or `systemctl start vedette-ship vedette-watch`")


def _make_runtime(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise AgentError(f"{folder}: {error.strerror}; run as root, or set `runtime`") from error
