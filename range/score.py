"""What a scenario's alerts are worth, judged by its truth. Pure: times are UTC seconds of one clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .scenario import Scenario, Step, Truth
from .twins import Draw

GRACE = 15.0
"""Seconds after the last step for which an alert is waited for."""
_AFTER = 0.2
"""Seconds after the last step in which an event of it may still happen, such as the end of a flow."""
_ALERTS = ("medium", "high", "critical")
"""Lower findings raise risk, they are no alerts."""


@dataclass(frozen=True)
class Seen:
    """An alert, as `vedette alerts --json` gave it, and when it did."""

    alert: dict[str, Any]
    at: float

    @property
    def happened(self) -> float:
        """When the last event that led to it happened."""
        whole, _, fraction = self.alert["time"].rstrip("Z").partition(".")
        return dt.datetime.fromisoformat(whole + "+00:00").timestamp() + float(f"0.{fraction or 0}")

    @property
    def person(self) -> str | None:
        """The person the alert names."""
        return self.alert.get("person")


@dataclass(frozen=True)
class Played:
    """When the steps of a scenario, or of its twin, began and ended."""

    began: float
    ended: float

    def has(self, one: Seen) -> bool:
        """Return whether what an alert tells of happened in this time."""
        return self.began <= one.happened <= self.ended + _AFTER


@dataclass(frozen=True)
class Verdict:
    """What became of a scenario; alert is the one that counts, None where nothing was found."""

    seconds: float | None
    person_right: bool
    bytes_right: bool | None
    alert: dict[str, Any] | None


def judge(truth: Truth, played: Played, alerts: Sequence[Seen], cast: frozenset[str]) -> Verdict:
    """Find the alert that tells of the scenario; cast is everybody who acts in any scenario or twin."""
    found = [one for one in alerts if one.alert["rule"] in truth.rules]
    right = [one for one in found if one.person == truth.person]
    if not right:
        wrong = [one for one in found if _may_mean(truth, played, one, cast)]
        if not wrong:
            return Verdict(None, person_right=False, bytes_right=None, alert=None)
        return Verdict(_after(played, wrong[0]), person_right=False, bytes_right=None, alert=wrong[0].alert)
    told = max(right, key=lambda one: one.alert.get("bytes_out") or 0)
    return Verdict(
        _after(played, right[0]), person_right=True, bytes_right=_bytes(truth, right), alert=told.alert
    )


def _may_mean(truth: Truth, played: Played, one: Seen, cast: frozenset[str]) -> bool:
    """Return whether an alert about nobody of the range is, by place and time, about this scenario."""
    return played.has(one) and one.person not in cast and one.alert.get("host") in truth.hosts


def _after(played: Played, one: Seen) -> float:
    return max(0.0, one.at - played.ended)


def _bytes(truth: Truth, right: Iterable[Seen]) -> bool | None:
    if truth.bytes_out is None:
        return None
    margin = truth.bytes_out * truth.tolerance // 100
    return any(
        abs((one.alert.get("bytes_out") or 0) - truth.bytes_out) <= margin
        and (truth.destination is None or one.alert.get("destination") == truth.destination)
        for one in right
    )


def reached(truth: Truth, sessions: Iterable[Mapping[str, Any]]) -> bool | None:
    """Return whether sessions of the person, as known by the collector, are all those the truth wants.

    Each must be known by its hop; None where the truth wants none.
    """
    if not truth.reached:
        return None
    known = {(one["host"], one.get("user")) for one in sessions if one.get("how") == "hop"}
    return known.issuperset(truth.reached)


def of_twin(
    scenario: Scenario, runs: Sequence[Played], alerts: Sequence[Seen], cast: frozenset[str]
) -> list[dict[str, Any]]:
    """Return the alerts a twin caused: about its people; or about nobody of the range, then and there."""
    steps = scenario.twin(Draw())
    own, hosts = scenario.cast(steps), _hosts(scenario, steps)
    return [
        one.alert
        for one in alerts
        if one.alert["severity"] in _ALERTS
        and (
            one.person in own
            or (
                one.person not in cast
                and one.alert.get("host") in hosts
                and any(played.has(one) for played in runs)
            )
        )
    ]


def _hosts(scenario: Scenario, steps: tuple[Step, ...]) -> frozenset[str]:
    acting = scenario.cast(steps)
    named = {step.host for step in steps if step.host is not None}
    return frozenset(named.union(*(set(one.hosts) for one in scenario.people if one.name in acting)))
