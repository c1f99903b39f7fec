"""What is found seldom stands first: by rule, by bytes, by person and by those who do the same work."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import risk
from collector.alert import BY, OTHERS, Alert
from collector.incident import Incident
from collector.incidents import ranking
from collector.incidents.incidents import assemble
from collector.incidents.ranking import Past, Prevalence
from collector.record import Person

DAY = 86_400_000_000_000
TODAY = 20_700
TEAM = tuple(f"p{number}" for number in range(20))


def peers(name: str) -> Iterable[str]:
    """Return the other half of a team whose first ten do one work, and whose last ten another."""
    own = next((half for half in (TEAM[:10], TEAM[10:]) if name in half), ())
    return [one for one in own if one != name]


def finding(rule: str, who: str = "p0", count: int = 0, *, hours: float = 10, **more: Any) -> Alert:
    at = TODAY * DAY + int(hours * DAY / 24)
    made = Alert(
        f"{rule}{who}{hours}", rule, 1, "medium", rule, "", at, at, "h", "h", Person(who, "kernel", 7),
        bytes_out=count or None, evidence=(f"{rule}{who}{hours}",), entity=f"{who}{hours}", boot="b",
    )  # fmt: skip
    return msgspec.structs.replace(made, **more)


def daily(rule: str, people: Iterable[str], count: int = 0, days: int = 20) -> list[Past]:
    return [Past(rule, who, TODAY - day, count) for who in people for day in range(1, days + 1)]


def stories(*found: Alert) -> tuple[Incident, ...]:
    return assemble(found, limits=risk.Limits(threshold=1_000_000))


USUAL = daily("usual", TEAM, 1_000_000)


def test_what_a_rule_seldom_finds_stands_before_what_it_finds_daily_whatever_the_severity() -> None:
    made = stories(finding("usual", "p1", 900_000, severity="critical"), finding("seldom", "p2"))
    first, second = ranking.ranked(made, Prevalence(USUAL, peers))
    assert (first.person, second.person) == ("p2", "p1")
    assert first.unusual[0].rule == "seldom"
    assert (first.unusual[0].own, first.unusual[0].others, first.unusual[0].people) == (0, 0, 19)
    assert second.unusual[0].own == 20


def test_more_bytes_than_ever_are_seldom_too() -> None:
    prevalence = Prevalence(USUAL, peers)
    bits = [prevalence.surprise("usual", "p0", TODAY, count).bits for count in (1, 1_000_000, 1_000_001)]
    assert bits[0] == bits[1] < bits[2]
    assert bits[1] < 100, "on nearly every day"
    assert bits[2] > 8000, "on none of 400"


def test_who_never_had_it_is_more_of_a_surprise_and_so_is_who_has_no_such_work() -> None:
    past = [*daily("here", TEAM), *daily("dump", TEAM[:5])]
    of = {
        who: Prevalence(past, peers).surprise("dump", who, TODAY, 0) for who in ("p0", "p9", "p19", "nobody")
    }
    assert of["p0"].bits < of["p9"].bits < of["p19"].bits
    assert (of["p9"].same, of["p19"].same, of["p9"].others) == (100, 0, 100)
    assert of["nobody"].bits < of["p19"].bits, "whose work is not known is like anybody"


def test_an_upload_with_a_program_that_nobody_uses_is_seldom_though_uploads_are_not() -> None:
    past = [Past("upload", who, TODAY - day, 1_000_000, "curl") for who in TEAM for day in range(1, 21)]
    made = stories(
        finding("upload", "p1", 900_000, details={BY: "curl"}),
        finding("upload", "p2", 900_000, details={BY: "aws"}),
    )
    first, second = ranking.ranked(made, Prevalence(past, peers))
    assert (first.person, first.unusual[0].by, first.unusual[0].others) == ("p2", "aws", 0)
    assert (second.person, second.unusual[0].by, second.unusual[0].own) == ("p1", "curl", 20)


def test_only_days_before_count_and_not_long_before() -> None:
    past = [
        *daily("here", TEAM),
        *(Past("dump", who, TODAY + later, 0) for who in TEAM for later in (0, 1, -31)),
    ]
    found = Prevalence(past, peers).surprise("dump", "p0", TODAY, 0)
    assert (found.own, found.others) == (0, 0)


def test_of_the_rules_of_an_incident_each_further_one_counts_half() -> None:
    prevalence = Prevalence(USUAL, peers)
    (alone,) = ranking.ranked(stories(finding("a")), prevalence)
    (twice,) = ranking.ranked(stories(finding("a"), finding("a", hours=10.1)), prevalence)
    (both,) = ranking.ranked(stories(finding("a"), finding("b")), prevalence)
    assert twice.surprise == alone.surprise
    assert both.surprise == alone.surprise + (alone.surprise >> 1)
    assert [one.rule for one in both.unusual] == ["a", "b"]


def test_of_a_tactic_one_rule_counts_and_what_is_of_a_further_one_is_evidence_of_its_own() -> None:
    prevalence = Prevalence(USUAL, peers)
    (alone,) = ranking.ranked(stories(finding("a", attack=("T1048",))), prevalence)
    (same,) = ranking.ranked(
        stories(finding("a", attack=("T1048",)), finding("b", attack=("T1567",))), prevalence
    )
    (further,) = ranking.ranked(
        stories(finding("a", attack=("T1048",)), finding("b", attack=("T1078",))), prevalence
    )
    assert same.surprise == alone.surprise
    assert [one.tactic for one in same.unusual] == ["exfiltration", "exfiltration"], "both are told"
    assert further.surprise == alone.surprise + (alone.surprise >> 1)


def test_what_somebody_has_read_adds_nothing_and_what_is_new_beside_it_does() -> None:
    prevalence = Prevalence(USUAL, peers)
    (old,) = stories(finding("a"))
    read = {(one.rule, one.entity) for one in old.timeline}
    assert ranking.weighed(old, prevalence, read).surprise == 0
    first, second = ranking.ranked(stories(finding("a"), finding("usual", "p1", 1)), prevalence, read)
    assert (first.person, second.person) == ("p1", "p0"), "what was read gives way"
    (grown,) = ranking.ranked(stories(finding("a"), finding("b")), prevalence, read)
    assert [one.rule for one in grown.unusual] == ["b"]


def test_what_is_of_the_day_before_counts_half_and_so_does_a_place_that_others_use() -> None:
    prevalence = Prevalence(USUAL, peers)
    (alone,) = ranking.ranked(stories(finding("a")), prevalence)
    (later,) = ranking.ranked(stories(finding("a"), finding("usual", hours=33.9)), prevalence)
    of = {one.rule: one for one in later.unusual}
    assert of["a"].bits == pytest.approx(alone.surprise / 2, rel=0.02)
    (shared,) = ranking.ranked(stories(finding("a", details={OTHERS: "2 used it"})), prevalence)
    assert shared.surprise == alone.surprise >> 1
    assert shared.unusual[0].shared


def test_without_a_history_severity_decides() -> None:
    made = stories(finding("a", "p1"), finding("b", "p2", severity="high"), finding("c", "p3"))
    assert ranking.ranked(made, Prevalence((), peers))[0].person == "p2"


def test_a_story_of_nobody_has_no_surprise() -> None:
    (one,) = ranking.ranked(stories(finding("a", person=None)), Prevalence(USUAL, peers))
    assert (one.surprise, one.unusual) == (0, ())


found_before = st.lists(
    st.builds(
        Past,
        st.sampled_from(("a", "b")),
        st.sampled_from(TEAM),
        st.integers(TODAY - 40, TODAY + 3),
        st.integers(0, 10**12),
    ),
    max_size=60,
)


@given(found_before, st.integers(0, 10**12), st.integers(0, 10**12), st.randoms(use_true_random=False))
def test_more_is_never_less_of_a_surprise_in_whatever_order_the_past_is_told(
    past: list[Past], one: int, other: int, draw: Random
) -> None:
    prevalence = Prevalence(past, peers)
    less, more = (prevalence.surprise("a", "p0", TODAY, count) for count in sorted((one, other)))
    assert 0 <= less.bits <= more.bits
    draw.shuffle(past)
    assert Prevalence([*past, *past], peers).surprise("a", "p0", TODAY, one) == prevalence.surprise(
        "a", "p0", TODAY, one
    )
