"""A person set a host's clock back: what they do then seems to have happened before.

The command and the step are joined by monotonic time, which nobody can set. Announced work makes it a hint,
and does not excuse it: what sets clocks right is a service, or is off by little.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kinds.agent import ClockStep
from evidence.kinds.process import Exec

from ..bounded import remember
from ..by_person import applet, by_person, command, is_change
from ..examples import SERVICE, WINDOW, at_once, by_cron, run
from ..measures.session_work import describe
from ..record import Person, Record
from ..rule import Correlation, Finding, Parameter, Site

_FLOOR = Parameter("floor", 60, "seconds", "a clock that was wrong by less is set right, not back")
_WINDOW = Parameter("window", 30, "seconds", "the step is seen as soon as the command is done")
_BOOTS_LIMIT = 20_000
_KEPT = 8
_NS = 1_000_000_000
_PROGRAMS = frozenset({"date", "timedatectl", "hwclock", "ntpdate", "adjtimex", "rdate", "busybox"})
_SETS = frozenset({"set-time", "set-ntp", "-s", "-w", "--set", "--hctosys", "--systz", "-u", "-b"})


class Command(msgspec.Struct, frozen=True):
    """A command that may set the clock; mono is ns since the boot. announced: during announced work."""

    mono: int
    uid: str
    person: Person
    text: str
    announced: bool = False


class Moved(msgspec.Struct, frozen=True):
    """A step back of the clock, in ns; time is UTC ns as the host says it."""

    mono: int
    uid: str
    time: int
    step: int


class Boot(msgspec.Struct):
    """What one boot of a host saw."""

    commands: list[Command] = []
    steps: list[Moved] = []


class State(msgspec.Struct):
    """By ``agent|boot``."""

    boots: dict[str, Boot] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    event, body = record.event, record.event.body
    key = f"{record.agent}|{record.boot}"
    boot = state.boots.get(key) or Boot()
    if isinstance(body, Exec):
        person = by_person(record, site)
        if person is None or not _may_set(body):
            return ()
        one = Command(event.mono, record.uid, person, command(body), is_change(record, site))
        boot.commands = [*boot.commands, one][-_KEPT:]
    elif isinstance(body, ClockStep):
        if body.step > -site.number(_ID, _FLOOR) * _NS:
            return ()
        boot.steps = [*boot.steps, Moved(event.mono, record.uid, event.time, body.step)][-_KEPT:]
    remember(state.boots, key, boot, _BOOTS_LIMIT)
    return _judge(boot, record, site)


def _may_set(body: Exec) -> bool:
    arguments = body.argv[1:]
    if applet(body) == "date":
        return any(one.startswith(("-s", "--set")) or one[:8].isdigit() for one in arguments)
    return applet(body) in ("ntpdate", "adjtimex", "rdate") or not _SETS.isdisjoint(arguments)


def _judge(boot: Boot, record: Record, site: Site) -> Iterable[Finding]:
    window = int(site.number(_ID, _WINDOW) * _NS)
    for moved in boot.steps:
        before = [one for one in boot.commands if 0 <= moved.mono - one.mono <= window]
        if before:
            last = max(before, key=lambda one: (one.mono, one.uid))
            yield Finding(
                entity=f"{record.agent}|{moved.uid}",
                summary=f"{describe(last.person)} set the clock of {record.host} back by "
                f"{-moved.step // _NS} s with: {last.text}",
                time=moved.time,
                agent=record.agent,
                host=record.host,
                evidence=(last.uid, moved.uid),
                person=last.person,
                severity="low" if last.announced else None,
            )


_ID = "clock-set-back"
_BACK = ClockStep(step=-86_400 * _NS)

CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Clock set back by a person",
    severity="medium",
    attack=("T1070.006", "T1562.006"),
    kinds=(ClockStep, Exec),
    state=State,
    step=_step,
    programs=lambda _site: _PROGRAMS,
    parameters=(_FLOOR, _WINDOW),
    hits=(
        at_once("date sets yesterday", run("date", "-s", "yesterday"), _BACK),
        at_once(
            "timedatectl, and two commands before it",
            run("date", "010100002026"),
            run("timedatectl", "set-time", "2026-01-01"),
            _BACK,
        ),
        at_once("hwclock", run("hwclock", "--hctosys"), _BACK),
        at_once("announced work: a hint", run("date", "-s", "yesterday"), _BACK, organisation=WINDOW),
    ),
    misses=(
        at_once("chrony steps a clock that was ahead", _BACK),
        at_once("set forward", run("date", "-s", "tomorrow"), ClockStep(step=86_400 * _NS)),
        at_once("corrected by a second", run("ntpdate", "-u", "pool"), ClockStep(step=-_NS)),
        at_once("the time was only asked", run("date", "+%s"), _BACK),
        at_once("root's timer", *by_cron("ntpdate", "pool"), _BACK),
        at_once("a robot's account", run("date", "-s", "yesterday"), _BACK, organisation=SERVICE),
        at_once(
            "set right by some seconds in announced work",
            run("date", "-s", "now"),
            ClockStep(step=-40 * _NS),
            organisation=WINDOW,
        ),
    ),
)
