"""What a person moves in a day beside their own days and those of who does the same work."""

from __future__ import annotations

import pytest

from collector.measures.person_days import PEER_DAYS, PersonDays
from collector.organisation.known import Human, Known, Organisation

DAY = 20_000
PEOPLE = (
    *(Human(name, role="data") for name in ("alice", "pam", "pat", "paul")),
    Human("ops", role="sre", groups=("night",)),
    Human("oz", groups=("night", "day")),
    Human("olga", groups=("day",)),
    Human("zoe"),
)
KNOWN = Known(Organisation(people=PEOPLE))


def moved(own: int, peers: int, today: int, peer_days: range = range(1, 9)) -> PersonDays:
    """Return 9 days of alice's own, of which 0 is none, and of her peers, and today's sum."""
    days = PersonDays()
    for back in range(1, 10) if own else ():
        days.add("alice", DAY - back, own + back)
    for back in peer_days:
        for name in ("pam", "pat", "paul"):
            days.add(name, DAY - back, peers + back)
    days.add("alice", DAY, today)
    return days


@pytest.mark.parametrize(
    ("own", "peers", "today", "expected"),
    [
        (1_000_000, 1_000_000, 1_200_000, "usual"),
        (1_000_000, 1_000_000, 500_000_000, "unusual"),
        (1_000_000, 400_000_000, 500_000_000, "as peers"),
        (400_000_000, 1_000_000, 500_000_000, "usual"),
        (0, 400_000_000, 500_000_000, "usual"),
        (0, 1_000_000, 500_000_000, "unusual"),
    ],
)
def test_both_own_days_and_those_of_peers_are_looked_at(
    own: int, peers: int, today: int, expected: str
) -> None:
    assert moved(own, peers, today).judge("alice", DAY, 3500, KNOWN) == expected


def test_too_few_peers_or_days_long_ago_say_nothing() -> None:
    long_ago = range(PEER_DAYS + 1, PEER_DAYS + 9)
    assert moved(0, 10**6, 10**9, long_ago).judge("alice", DAY, 3500, KNOWN) == "unknown"
    assert moved(0, 10**6, 10**9).judge("alice", DAY, 3500, Known(Organisation())) == "unknown"
    two = PersonDays({name: days for name, days in moved(0, 10**6, 10**9).people.items() if name != "pam"})
    assert two.judge("alice", DAY, 3500, KNOWN) == "unknown"
    assert moved(0, 10**6, 10**9, range(0)).judge("alice", DAY, 3500, KNOWN) == "unknown"


def test_peers_are_of_the_same_role_or_else_of_a_group() -> None:
    assert KNOWN.peers("alice") == ("pam", "pat", "paul")
    assert KNOWN.peers("ops") == ("oz",), "alone in the role"
    assert KNOWN.peers("oz") == ("ops", "olga")
    assert KNOWN.peers("zoe") == KNOWN.peers("stranger") == ()
