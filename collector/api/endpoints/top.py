"""What rules cost the pipeline, those that cost most first, and how often Sigma views answer from memory."""

from __future__ import annotations

import msgspec

from ...rules import costs
from ...rules.costs import RuleCost, ViewCost
from ...rules.rulebook import Book, State
from ...users import Role
from ..endpoint import Call, Endpoint, Stream


class RankedRule(msgspec.Struct, frozen=True):
    """A rule's cost: each is microseconds an event, share its part (0 to 1) of what all rules took.

    seconds is all it took since the pipeline started. shown of our own rules is an estimate.
    """

    rule: str
    title: str
    sigma: bool
    state: State
    shown: int
    findings: int
    each: float | None
    seconds: float
    share: float


class RankedView(msgspec.Struct, frozen=True):
    """A view of Sigma rules: how often it was asked, and the share (0 to 1) that memory answered."""

    view: str
    rules: int
    asked: int
    hit_rate: float | None


class RuleTop(msgspec.Struct, frozen=True):
    """What was measured from since to until (UTC ns)."""

    since: int
    until: int
    rows: list[RankedRule]
    views: list[RankedView]


def _top(call: Call) -> msgspec.Struct | Stream:
    told, book = costs.read(costs.beside(call.services.snapshot)), call.services.book()
    rows = sorted(told.measured.rules, key=lambda one: (-one.total, one.rule))
    views = sorted(told.measured.views, key=lambda one: (-one.asked, one.view))
    ranked = [_ranked(one, told.spent, book) for one in rows]
    return RuleTop(told.since, told.until, ranked, [_view(one) for one in views])


def _ranked(one: RuleCost, spent: int, book: Book) -> RankedRule:
    return RankedRule(
        rule=one.rule,
        title=one.title,
        sigma=one.sigma,
        state=book.state(one.rule),
        shown=one.shown,
        findings=one.findings,
        each=round(one.spent / one.shown / 1000, 3) if one.shown else None,
        seconds=round(one.total / 1e9, 6),
        share=round(one.total / spent, 6) if spent else 0.0,
    )


def _view(one: ViewCost) -> RankedView:
    rate = round(one.remembered / one.asked, 6) if one.asked else None
    return RankedView(one.view, one.rules, one.asked, rate)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/rules/top",
        "rules.top",
        "What each rule costs: events shown, findings, time an event, share of all rules",
        Role.VIEWER,
        _top,
        RuleTop,
    ),
)
