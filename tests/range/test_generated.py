"""Scenarios that need days, in generated time: weeks of a small fleet's work, with an attack or its twin.

The events are made here, not by hosts; from attribution on all is as in the collector. Hosts tell of no
heartbeats, so nothing is asked that arises from silence.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pytest

from collector.alert import Alert
from collector.analysis import Analysis
from collector.organisation.known import Known, NetworkLabel, Organisation, Window
from collector.record import Origin
from collector.rule import BEGIN
from collector.settings import Detection as Settings
from evidence.event import stamp
from evidence.kind import Actor, Body, Endpoint
from evidence.kinds.connection import Close
from evidence.kinds.login import Accepted, SessionClose, SessionOpen, Sudo
from evidence.kinds.process import Exec

SECOND, MEGABYTE = 1_000_000_000, 1_000_000
DAY, HOUR = 86_400, 3600
HOSTS = tuple(f"web{number}" for number in range(10))
PEOPLE = {"alice": 1001, "bob": 1002, "carol": 1003}
AWAY, COMMON = Endpoint(ip="203.0.113.9", port=443), Endpoint(ip="203.0.113.40", port=443)
RUNS = range(20)
OWN = Organisation(networks=(NetworkLabel("10.0.0.0/8", use="own"),))


class History:
    """Events of a fleet, in the making; times are seconds after the first midnight (UTC)."""

    def __init__(self, run: int) -> None:
        self.draw = random.Random(run)  # noqa: S311 - a history that is to be made again, no secret
        self._told: list[tuple[float, str, Body]] = []
        self._number = 0

    def tell(self, at: float, host: str, body: Body) -> None:
        """Add an event."""
        self._told.append((at, host, body))

    def works(self, who: str, at: float, host: str, *bodies: Callable[[int], Body]) -> None:
        """Let somebody log in and do things in that session, a minute each."""
        self._number += 1
        pid, session, number = 10_000 + self._number, self._number, PEOPLE[who]
        source = Endpoint(ip=f"198.51.100.{number % 100}", port=20_000 + self._number % 40_000)
        key = f"SHA256:{who}"
        self.tell(
            at, host, Accepted(program="sshd", user=who, pid=pid, method="publickey", fingerprint=key,
                               source=source),
        )  # fmt: skip
        opened = SessionOpen(program="sshd", user=who, pid=pid, auid=number, session=session)
        self.tell(at + 1, host, opened)
        for minute, body in enumerate(bodies, start=1):
            self.tell(at + 60 * minute, host, body(session))
        closed = SessionClose(program="sshd", user=who, session=session)
        self.tell(at + 60 * (len(bodies) + 1), host, closed)

    def usual(self, who: str, days: Iterable[int]) -> None:
        """Let somebody have ordinary days: some hour of the working day, a look, a small transfer."""
        for day in days:
            at = day * DAY + self.draw.uniform(9, 17) * HOUR
            small = self.draw.randrange(300, 20_000)
            self.works(who, at, self.draw.choice(HOSTS), looks(who), sends(who, small, COMMON))

    def play(self, organisation: Organisation = OWN) -> list[Alert]:
        """Return the alerts of all of it."""
        engine = Analysis(Settings(), Known(organisation))
        alerts: list[Alert] = []
        midnight = BEGIN - BEGIN % (DAY * SECOND)
        for seq, (at, host, body) in enumerate(sorted(self._told, key=lambda one: one[0]), start=1):
            time = midnight + int(at * SECOND)
            origin = Origin(host, 1, "boot", host, seq, time + SECOND // 10)
            event = stamp(body, seq=seq, time=time, mono=int(at * SECOND) + 1)
            alerts += engine.step(origin, [event], origin.received)[1]
            engine.sessions()
        return alerts


def looks(who: str) -> Callable[[int], Body]:
    number = PEOPLE[who]
    return lambda session: Exec(
        pid=50, exe="/usr/bin/uptime", argv=("uptime",), uid=number, auid=number, session=session
    )


def sends(who: str, count: int, to: Endpoint) -> Callable[[int], Body]:
    def made(session: int) -> Body:
        actor = Actor(pid=60, exe="/usr/bin/python3.11", uid=PEOPLE[who], auid=PEOPLE[who], session=session)
        return sent(count, to, actor, session)

    return made


def sent(count: int, to: Endpoint, actor: Actor, flow: int) -> Close:
    ends = (Endpoint(ip="10.0.0.5", port=50_000), to)
    return Close(
        flow=flow, protocol="tcp", direction="out", local=ends[0], remote=ends[1], bytes_out=count,
        bytes_in=300, actor=actor,
    )  # fmt: skip


def becomes_root(who: str) -> Callable[[int], Body]:
    return lambda session: Sudo(
        program="sudo", user=who, uid=PEOPLE[who], auid=PEOPLE[who], session=session, target="root",
        command="/bin/sh",
    )  # fmt: skip


def window(begin: float, end: float, who: str) -> Window:
    midnight = BEGIN - BEGIN % (DAY * SECOND)
    return Window(midnight + int(begin) * SECOND, midnight + int(end) * SECOND, "told", persons=(who,))


def slow_leak(history: History) -> Organisation:
    """Each day less than what the rules about one session want."""
    history.usual("alice", range(45))
    history.usual("bob", range(45))
    for day in range(15, 45):
        amount = int(history.draw.uniform(2, 4) * MEGABYTE)
        history.works("alice", day * DAY + 15 * HOUR, "web3", sends("alice", amount, AWAY))
    return OWN


def telemetry(history: History) -> Organisation:
    """As much each day to one new place, by a service on nine of ten hosts; and by a person's tool too."""
    history.usual("alice", range(45))
    history.usual("bob", range(45))
    service = Actor(pid=7, exe="/usr/bin/telemetry", uid=998, unit="telemetry.service")
    for day in range(15, 45):
        for place, host in enumerate(HOSTS[:9]):
            amount = int(history.draw.uniform(6, 10) * MEGABYTE)
            history.tell(day * DAY + 3 * HOUR + place, host, sent(amount, AWAY, service, 10**6 + day))
        amount = int(history.draw.uniform(2, 4) * MEGABYTE)
        history.works("alice", day * DAY + 15 * HOUR, "web3", sends("alice", amount, AWAY))
    return OWN


def night(history: History) -> Organisation:
    history.usual("alice", range(30))
    history.usual("bob", range(31))
    history.works("alice", 30 * DAY + history.draw.uniform(1, 4) * HOUR, "web3", looks("alice"))
    return OWN


def on_call(history: History) -> Organisation:
    """The same, by somebody who is on call that night."""
    night(history)
    return Organisation(networks=OWN.networks, on_call=(window(30 * DAY, 31 * DAY, "alice"),))


def long_away(history: History) -> Organisation:
    history.usual("bob", range(5))
    history.usual("alice", range(126))
    at = (5 + history.draw.randrange(100, 119)) * DAY + 10 * HOUR
    history.works("bob", at, "web3", becomes_root("bob"))
    return OWN


def drill(history: History) -> Organisation:
    """The same in an announced drill, and somebody else back from weeks of leave."""
    long_away(history)
    history.usual("carol", range(40))
    back = 40 + history.draw.randrange(14, 80)
    history.works("carol", back * DAY + 11 * HOUR, "web4", becomes_root("carol"))
    return Organisation(networks=OWN.networks, change_windows=(window(100 * DAY, 130 * DAY, "bob"),))


@dataclass(frozen=True)
class Generated:
    """One scenario of the table of docs/range.md: who is found by which rule, and what is not."""

    rule: str
    person: str
    attack: Callable[[History], Organisation]
    twin: Callable[[History], Organisation]


SCENARIOS = {
    "low and slow": Generated("low-and-slow", "alice", slow_leak, telemetry),
    "off-hours": Generated("off-hours", "alice", night, on_call),
    "dormant account": Generated("dormant-privilege", "bob", long_away, drill),
}


def played(make: Callable[[History], Organisation], run: int) -> list[Alert]:
    history = History(run)
    organisation = make(history)
    return history.play(organisation)


@pytest.mark.parametrize("run", range(5))
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_it_is_found_and_about_nobody_else(scenario: Generated, run: int) -> None:
    found = [alert for alert in played(scenario.attack, run) if alert.rule == scenario.rule]
    assert {alert.person.name for alert in found if alert.person is not None} == {scenario.person}
    assert all(alert.evidence for alert in found)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_its_twin_is_silent(scenario: Generated, run: int) -> None:
    alerts = played(scenario.twin, run)
    assert [one.summary for one in alerts if one.severity != "low" or one.rule == scenario.rule] == []
