"""Where hosts stand, by what they told: which policy holds, which was refused, for how long they differ."""

from __future__ import annotations

from typing import Any

import msgspec

from collector.enrolment.enrolments import Enrolment
from collector.policy import policy_standing, rollout
from collector.policy.policy_standing import HOUR, Standing
from evidence.kind import Body, kind_of
from evidence.kinds.agent import Start
from evidence.kinds.policy import Applied, Cause, Refused

from .test_rollout import decided, signed

EVERY = rollout.offers([decided(signed(1), 10), decided(signed(2), 20)])
FIRST, SECOND = (one.digest for one in EVERY)


def host(agent: str = "a", revoked: int | None = None) -> Enrolment:
    return Enrolment(agent, 0, 1, 0, "", "", "", "", None, "web-1", {}, revoked=revoked)


def told(*bodies: Body, agent: str = "a") -> list[dict[str, Any]]:
    return [
        {
            "agent": agent,
            "time": 100 + at,
            "kind": kind_of(type(one)),
            "body": msgspec.json.encode(one).decode(),
        }
        for at, one in enumerate(bodies)
    ]


def applied(version: int, digest: str, cause: Cause = "taken") -> Applied:
    return Applied(name="fleet", version=version, digest=digest, cause=cause, key="k", until=9)


def standing(*bodies: Body) -> Standing:
    (found,) = policy_standing.standings([host()], EVERY, told(*bodies), now=20 + 2 * HOUR)
    return found


def test_a_host_that_holds_what_it_is_offered_does_not_differ() -> None:
    found = standing(applied(1, FIRST), applied(2, SECOND))
    assert (found.offered, found.holds, found.cause, found.since) == ("fleet 2", "fleet 2", "taken", 101)
    assert found.differs is None


def test_one_that_holds_another_or_none_differs_since_it_was_offered() -> None:
    assert standing(applied(1, FIRST)).differs == 2 * HOUR
    assert standing().differs == 2 * HOUR
    out = standing(applied(2, SECOND, "kept out"))
    assert (out.holds, out.differs) == (None, 2 * HOUR)


def test_a_start_without_its_policy_is_seen_though_the_host_says_nothing_else() -> None:
    lost = standing(applied(2, SECOND), Start(version="1", host="web-1", clean=True))
    assert (lost.holds, lost.cause, lost.differs) == (None, "at its start", 2 * HOUR)
    kept = standing(applied(2, SECOND), Start(version="1", host="web-1", clean=True, policy=SECOND))
    assert kept.differs is None


def test_a_refusal_is_shown_until_a_policy_is_taken() -> None:
    refused = Refused(ground="bad signature", message="does not verify")
    assert standing(applied(1, FIRST), refused).refused == "bad signature: does not verify"
    assert standing(refused, applied(2, SECOND)).refused is None


def test_revoked_hosts_are_left_out() -> None:
    assert policy_standing.standings([host(revoked=5)], EVERY, [], now=0) == []
