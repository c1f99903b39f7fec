"""A source port is used again: each connection explains one login, and nobody gets another's session."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from collector.attribution.hop_pairs import LIMIT, SLACK, Call, Login, pair
from collector.attribution.jobs import Caused
from collector.record import Person, SessionRevision
from tests.collector.fleet import LAPTOP, SECOND, Fleet, Host, Seen

Sessions = dict[tuple[str, int], SessionRevision]


def reused(after: float, *, ahead: float = 0, known_ahead: bool = True) -> tuple[Host, Host]:
    """Amy and agnes go from the bastion to app as deploy, by the same port, one `after` s after the other."""
    bastion, app = Host("bastion", "10.0.0.1"), Host("app", "10.0.0.2", ahead=ahead, known_ahead=known_ahead)
    bastion.login("amy", 7, LAPTOP, 50_000, 0)
    bastion.login("agnes", 8, "198.51.100.8", 50_001, 1)
    for number, at in ((7, 10.0), (8, 10 + after)):
        bastion.ssh(app, number, 40_001, at, flow=number)
        bastion.ssh(app, number, 40_001, at, flow=number, seconds=3)
        app.login("deploy", number + 14, bastion.ip, 40_001, at + 1)
    return bastion, app


def interleaved(one: list[Seen], other: list[Seen]) -> Iterator[list[Seen]]:
    """Yield every order of arrival in which each host keeps its own."""
    total = len(one) + len(other)
    for places in itertools.combinations(range(total), len(other)):
        left, right = iter(one), iter(other)
        yield [next(right) if at in places else next(left) for at in range(total)]


def names(told: Sessions) -> tuple[str, str]:
    return told["app", 21].person.name, told["app", 22].person.name


@pytest.mark.parametrize("after", [20, 61, 87, 890])
def test_two_logins_by_the_same_ends_in_every_order_of_arrival(after: float) -> None:
    bastion, app = reused(after)
    for seen in interleaved(bastion.seen, app.seen):
        assert names(Fleet().see(seen).settle()) == ("amy", "agnes")


@pytest.mark.parametrize("ahead", [90, -90])
def test_a_known_difference_of_clocks_changes_nothing(ahead: float) -> None:
    bastion, app = reused(87, ahead=ahead)
    for seen in interleaved(bastion.seen, app.seen):
        assert names(Fleet().see(seen).settle()) == ("amy", "agnes")


@pytest.mark.parametrize("ahead", [90, -90])
def test_an_unknown_difference_like_the_time_between_gives_nobody_a_session_of_another(ahead: float) -> None:
    bastion, app = reused(87, ahead=ahead, known_ahead=False)
    found = {names(Fleet().see(seen).settle()) for seen in interleaved(bastion.seen, app.seen)}
    assert found == {("deploy", "deploy")}


def test_what_was_explained_already_explains_no_other_and_is_revised_by_what_comes_late() -> None:
    bastion, app = reused(87)
    late = [one for one in bastion.seen if one[0].received >= bastion.seen[-2][0].received]
    early = [one for one in bastion.seen if one not in late]
    fleet = Fleet().see([*early, *app.seen])
    assert names(fleet.settle()) == ("amy", "deploy"), "the connection of amy has its login"
    fleet.see(late)
    assert names(fleet.settle()) == ("amy", "agnes")


def test_a_login_long_after_the_only_known_connection_was_closed_is_nobodys() -> None:
    bastion, app = Host("bastion", "10.0.0.1"), Host("app", "10.0.0.2")
    bastion.login("amy", 7, LAPTOP, 50_000, 0)
    bastion.ssh(app, 7, 40_001, 10, seconds=3)
    app.login("deploy", 21, bastion.ip, 40_001, 97)
    for seen in interleaved(bastion.seen, app.seen):
        assert Fleet().see(seen).settle()["app", 21].person.name == "deploy"


def test_a_host_that_may_only_be_late_keeps_its_link() -> None:
    bastion, app = Host("bastion", "10.0.0.1"), Host("app", "10.0.0.2")
    bastion.login("amy", 7, LAPTOP, 50_000, 0)
    bastion.ssh(app, 7, 40_001, 10, seconds=3)
    app.login("deploy", 21, bastion.ip, 40_001, 11)
    late = [
        (replace(origin, skew=-60 * SECOND, received=origin.received + 60 * SECOND), event)
        for origin, event in app.seen
    ]
    for seen in interleaved(bastion.seen, late):
        assert Fleet().see(seen).settle()["app", 21].person.name == "amy"


def call(name: str, at: int, ended: int | None = None) -> Call:
    owner = Caused(Person(name, "kernel", 1), "hop", name)
    return Call(name, at, "a", "a", "boot", owner, ("10.0.0.1", 4), ("10.0.0.2", 22), ended=ended)


def login(uid: str, at: int) -> Login:
    return Login(uid, at, "b", "boot", "deploy", "sshd", ("10.0.0.1", 4))


def test_nothing_is_paired_beyond_the_limits() -> None:
    assert pair({"c": call("c", 0)}, [login("l", LIMIT)]) == {"l": "c"}
    assert pair({"c": call("c", 0)}, [login("l", LIMIT + 1)]) == {}
    assert pair({"c": call("c", 0, 5)}, [login("l", 5 + SLACK)]) == {"l": "c"}
    assert pair({"c": call("c", 0, 5)}, [login("l", 6 + SLACK)]) == {}


def test_an_attempt_that_let_nobody_in_takes_no_login() -> None:
    calls = {"c": call("c", 0, 3 * SECOND), "d": call("d", 87 * SECOND)}
    assert pair(calls, [login("l", 88 * SECOND)]) == {"l": "d"}


seconds = st.integers(0, 400)


@given(st.randoms(use_true_random=False), st.lists(seconds, max_size=5), st.lists(seconds, max_size=5))
@settings(max_examples=150, deadline=None)
def test_one_connection_has_one_login_whatever_the_order(
    chance: random.Random, began: list[int], let_in: list[int]
) -> None:
    calls = [call(f"c{number}", at * SECOND) for number, at in enumerate(began)]
    logins = [login(f"l{number}", at * SECOND) for number, at in enumerate(let_in)]
    expected = pair({one.uid: one for one in calls}, logins)
    assert len(set(expected.values())) == len(expected)
    at = {one.uid: one.at for one in calls} | {one.uid: one.at for one in logins}
    in_order = sorted((at[uid], at[name]) for uid, name in expected.items())
    assert [began for _, began in in_order] == sorted(began for _, began in in_order)
    chance.shuffle(calls)
    chance.shuffle(logins)
    assert pair({one.uid: one for one in calls}, logins) == expected
