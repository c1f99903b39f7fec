"""What a generated fleet is like: the numbers in one place, with why each is so and where it is from.

"Inferred" marks a number that we have no measurement for. docs/insider.md has the sources in full.
"""

from __future__ import annotations

import msgspec

BEGIN = 1_788_739_200_000_000_000
"""Midnight (UTC) of a Monday in September 2026, UTC ns."""


class Volumes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of what people and jobs move, in bytes.

    Bodies are lognormal (Downey 2001, of file sizes), tails Pareto with an alpha near 1.1 (Crovella and
    Bestavros 1997, of transfers; Paxson and Floyd 1995 give 0.9 to 1.4 for bursts of FTP). Medians: inferred.
    """

    file_median: float = 400_000
    file_sigma: float = 2.2
    tail: float = 0.04
    """Part of transfers that are of the tail: dumps, builds, images."""
    tail_least: float = 20_000_000
    tail_alpha: float = 1.1
    tail_most: float = 8_000_000_000
    person_sigma: float = 0.9
    """How much people of one role differ: the deviation of the logarithm of their own factor (inferred)."""
    push_median: float = 12_000
    """Of a git push: a few commits; packs of clones are larger."""
    push_sigma: float = 1.8
    terminal_per_command: float = 2_500
    """What sshd sends for one command's output; the deviation is file_sigma's half."""


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often people do what, on a working day unless said otherwise.

    Sessions arrive as a Poisson process with a rate by hour (Paxson and Floyd 1995). The rates are inferred.
    """

    commands: float = 14.0
    """Commands of a session, by a geometric distribution."""
    new_place: float = 0.03
    """Days a person sends something to a place outside that is new for them, with good reason: a vendor's
    support case, a customer's server, a repository of their own."""
    late: float = 0.05
    """Days somebody who is not on call works in the evening or at night."""
    travel: float = 0.01
    """Days somebody comes from another country, and is there for a few days."""
    new_host: float = 0.03
    """Sessions that lead to a host of the fleet that is new for the person."""
    large_fetch: float = 0.02
    """Days a person fetches something many times as large as usual, with good reason."""
    incidents: float = 0.5
    """Incidents a night, in the whole fleet, that wake who is on call."""
    away: float = 0.015
    """Days on which a person begins a holiday of one or two weeks, or is ill."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fleet and its month. Everything follows from these and from nothing else."""

    seed: int = 1
    begin: int = BEGIN
    days: int = 30
    hosts: int = 200
    people: int = 100
    joiners: float = 0.06
    """Part of the people who join within the month: a turnover of some six per cent, high on purpose."""
    autoscaled: float = 0.1
    """Part of the hosts that come in the morning and go in the evening."""
    machine: float = 1.0
    """How much machines do by themselves: 1 gives about ten million events for the full fleet's month, of
    which nine tenths are checks, cron, deployments and traffic between services. Less is for tests."""
    insiders: float = 0.1
    """Part of the people who take data in this month. Far more than in life, where a month has hardly one, so
    that recall can be counted; false alerts are those about people who take nothing."""
    quiet: float = 1 / 3
    """Part of the insiders who move, on any day, no more than between quiet_least and quiet_most of what they
    themselves send on a day."""
    quiet_least: float = 0.5
    quiet_most: float = 0.95
    first_act: int = 9
    """No insider acts before this day: a collector that knows nobody yet is told apart in docs/insider.md."""
    loud_median: float = 120_000_000
    """What the other insiders take, lognormal: a source tree, a table of customers (inferred)."""
    loud_sigma: float = 1.3
    maintenance_every: int = 7
    """Days between nights in which a quarter of the fleet is patched and started anew, as announced."""
    release_days: tuple[int, ...] = (1, 3)
    """Weekdays (Monday is 0) on which releases are deployed."""
    bulk_seconds: float = 1800.0
    """Machines' events are sealed after so long. Real agents seal within two seconds: for most of a quiet
    fleet's events that is one batch an event, which only makes the ledger large."""
    person_seconds: float = 15.0
    """As above, of events of a login session; so what happened on two hosts comes in any order."""
    priority_seconds: float = 1.0
    """As above, of the priority lane: as real agents do."""
    heartbeat_seconds: float = 3600.0
    """Real agents tell of themselves each minute; these heartbeats wait with what machines do."""
    volumes: Volumes = Volumes()
    rates: Rates = Rates()


def small(seed: int = 1, **changes: object) -> Settings:
    """Return the settings of a fleet for tests: 20 hosts, 10 people, 14 days."""
    base = Settings(seed=seed, hosts=20, people=10, days=14, machine=0.1, insiders=0.2)
    return msgspec.structs.replace(base, **changes)
