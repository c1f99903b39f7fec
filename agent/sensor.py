"""The contract of a sensor: a ladder of rungs, each opened, triggered and looked at before it is believed.

A module in `sensors/` sets SENSOR to a Sensor. Watch climbs down its rungs until one opens and sees its own
trigger. Its selector loop then reads that feed when a descriptor is readable and every `period` seconds.
A feed never blocks and never raises for what the host sends it: what it could not read becomes a loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from evidence.kind import Actor, Body
from evidence.kinds.agent import Loss

from .dns_names import DnsNames
from .file_authors import Authors
from .governing.shedding import Shedding
from .kernel.bpf_handing import Handing
from .kernel.refusals import Refusals
from .kernel.rings import SensorRings
from .likeness import Likeness
from .settings import Settings


class Moment(msgspec.Struct, frozen=True, gc=False):
    """One reading of the clocks: time is UTC ns, mono is CLOCK_BOOTTIME ns (as a process's start)."""

    time: int
    mono: int


class Observed(msgspec.Struct, frozen=True, gc=False):
    """A body and when it happened; a feed sets the clock its source gave it, watch derives the other.

    shed is why this event is shed: then only what the tables of processes need was decoded. like is what an
    exec was made from; None where its feed makes each anew.
    """

    body: Body
    mono: int | None = None
    time: int | None = None
    shed: str | None = None
    like: Likeness | None = None


class Processes(Protocol):
    """What is known of processes, so that a feed which sees only a pid can name the actor."""

    def actor(self, pid: int, mono: int | None = None) -> Actor | None:
        """Return who pid was at mono (now if None), from events seen, else from /proc; None when unknown."""
        ...

    def formers(self, pid: int, since: int, until: int) -> tuple[Actor, ...]:
        """Return who pid was before its execs after since and by until (mono), the oldest first."""
        ...

    def became(self, pid: int, start: int | None, since: int, until: int) -> str | None:
        """Return the program of (pid, start) at until, where it executed one after since (mono)."""
        ...


class Filtered(msgspec.Struct, frozen=True):
    """How often each filter of the settings left something out; why others of them do not count."""

    counts: dict[str, int] = {}
    refused: tuple[str, ...] = ()


class Context(msgspec.Struct, frozen=True):
    """What a rung may use to open: settings, the folder for its state, the process table, the clocks.

    names are filled from DNS answers, and tell which name a remote address came from. authors joins file
    events with what the files say. rungs gives the rung in use by sensor. rings is what a rung opens its
    objects with, so that they outlive a kill; None where nothing is to be pinned. own gives the pids of the
    agent's processes but for watch, whose own doings are its sensors' triggers. handing is how
    sensors share a program at a busy hook, refusals how they share what the kernel refuses. shedding tells
    what need not be decoded; None where all is wanted.
    """

    settings: Settings
    state: Path
    processes: Processes
    clock: Callable[[], Moment]
    names: DnsNames = msgspec.field(default_factory=DnsNames)
    authors: Authors = msgspec.field(default_factory=Authors)
    rungs: Callable[[], dict[str, str | None]] = dict
    rings: SensorRings | None = None
    own: Callable[[], Iterable[int]] = tuple
    handing: Handing = msgspec.field(default_factory=Handing)
    refusals: Refusals = msgspec.field(default_factory=Refusals)
    shedding: Shedding | None = None


class Feed(Protocol):
    """An open rung."""

    @property
    def period(self) -> float | None:
        """Seconds between timed reads; None when only a readable descriptor calls for one.

        It changes as a feed wakes and falls asleep: watch asks again after each read.
        """
        ...

    def filenos(self) -> tuple[int, ...]:
        """Return the descriptors to wait on."""
        ...

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return what happened since the last call; bounded in items, without waiting."""
        ...

    def losses(self, now: Moment) -> Iterable[Loss]:
        """Return what this feed could not see since the last call, by cause."""
        ...

    def trigger(self) -> Callable[[Body], bool]:
        """Cause one event that this feed must see, and return the test that recognises it.

        The ladder reads the feed for up to two seconds until the test accepts a body.
        """
        ...

    def close(self) -> None:
        """Give back what was opened; afterwards no other method is called."""
        ...


@runtime_checkable
class Gathering(Feed, Protocol):
    """A feed that gives out later what it has seen."""

    def rest(self, now: Moment) -> Iterable[Observed]:
        """Return what is gathered and not given out yet; called once, before close."""
        ...


@runtime_checkable
class Filtering(Feed, Protocol):
    """A feed that leaves out what its sensor's settings name."""

    def filtered(self) -> Filtered:
        """Return what was left out since the rung was loaded."""
        ...


@runtime_checkable
class Retunable(Feed, Protocol):
    """A feed that takes other settings while it is open; others are opened anew."""

    def retune(self, settings: Settings) -> None:
        """Go by settings from now on; may raise RungUnavailable, then the feed is opened anew."""
        ...


class Rung(msgspec.Struct, frozen=True):
    """One way to see: open raises RungUnavailable, with reason and fix, where it cannot work."""

    name: str
    open: Callable[[Context], Feed]


def _nothing_is_absent() -> None:
    """Say of a sensor that every host has what it looks at."""


def _nothing_is_unused(_settings: Settings) -> None:
    """Say of a sensor that the settings cannot leave it without work."""


class Sensor(msgspec.Struct, frozen=True):
    """Rungs from best to last. absent returns why this host has nothing for it to see; None where it has.

    unused returns why the settings give it nothing to look at; None where they do.
    """

    name: str
    rungs: tuple[Rung, ...]
    absent: Callable[[], str | None] = _nothing_is_absent
    unused: Callable[[Settings], str | None] = _nothing_is_unused
