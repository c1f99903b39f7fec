"""The questions rules ask of what the operator told."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.organisation.known import HostLabel, Human, Known, NetworkLabel, Organisation, Window

HOUR = 3_600 * 10**9
SUMMER = int(dt.datetime(2026, 7, 1, 6, 30, tzinfo=dt.UTC).timestamp()) * 10**9
WINTER = int(dt.datetime(2026, 1, 1, 6, 30, tzinfo=dt.UTC).timestamp()) * 10**9
BERLIN = Human("alice", ("al", "alice"), ("SHA256:a",), "sre", ("ops",), "Europe/Berlin", (8, 18))
NIGHT = Human("bob", ("bob",), timezone="UTC", hours=(22, 6))


def known(**told: object) -> Known:
    return Known(Organisation(people=(BERLIN, NIGHT, Human("carol", ("carol",))), **told))  # type: ignore[arg-type]


def test_hours_are_of_the_persons_own_clock() -> None:
    told = known()
    assert (told.local_hour("alice", SUMMER), told.local_hour("alice", WINTER)) == (8, 7)
    assert (told.works_at("alice", SUMMER), told.works_at("alice", WINTER)) == (True, False)
    assert told.works_at("alice", SUMMER + 10 * HOUR) is False


def test_hours_may_go_over_midnight() -> None:
    told = known()
    works = [told.works_at("bob", WINTER + hour * HOUR) for hour in (-1, 0, 15, 16, 23)]
    assert works == [True, False, False, True, True]


def test_where_nothing_was_told_nothing_is_known() -> None:
    told = known()
    assert told.local_hour("carol", SUMMER) is told.works_at("carol", SUMMER) is None
    assert told.local_hour("mallory", SUMMER) is told.works_at("mallory", SUMMER) is None
    assert told.local_hour("alice", 2**80) is told.works_at("alice", -(2**80)) is None


def test_a_time_zone_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="Europe/Nowhere"):
        Known(Organisation(people=(Human("x", timezone="Europe/Nowhere"),)))
    with pytest.raises(ValueError, match="passwd"):
        Known(Organisation(people=(Human("x", timezone="../../etc/passwd"),)))


def test_the_narrowest_network_that_tells_it_answers_else_the_country() -> None:
    networks = (
        NetworkLabel("10.0.0.0/8", "own", "Berlin"),
        NetworkLabel("10.1.0.0/16", None, "Paris"),
        NetworkLabel("2001:db8::/32", "backup"),
        NetworkLabel("0.0.0.0/0"),
    )
    told = Known(Organisation(networks=networks), {"192.0.2.1": "DE", "10.2.0.1": "XX"}.get)
    assert [told.place(ip) for ip in ("10.2.0.1", "10.1.0.1", "::ffff:10.1.0.1", "192.0.2.1", "x")] == [
        "Berlin", "Paris", "Paris", "DE", None
    ]  # fmt: skip
    assert [told.use(ip) for ip in ("10.2.0.1", "10.1.0.1", "2001:db8::1", "192.0.2.1")] == [
        "own", "own", "backup", None
    ]  # fmt: skip
    assert told.is_known("2001:db8::1")
    assert not told.is_known("2001:db9::1")


def test_names_below_a_service_are_known() -> None:
    told = known(services=("example.com",), service_accounts=("deploy",))
    assert told.is_known_name("example.com")
    assert told.is_known_name("A.Example.com.")
    assert not told.is_known_name("badexample.com")
    assert told.is_service_account("deploy")
    assert told.is_service_account("deploy from 192.0.2.1")
    assert not told.is_service_account("alice")


def test_a_host_has_the_labels_of_all_patterns_that_fit() -> None:
    hosts = (HostLabel("web-1", ("a",)), HostLabel("web-*", ("b",)), HostLabel("web-1", ("c",)))
    told = known(hosts=(*hosts, HostLabel("db[12]", ("d",)), HostLabel("w?b-1", ("e",))))
    assert told.labels("web-1") == {"a", "b", "c", "e"}
    assert [set(told.labels(host)) for host in ("web-12", "db2", "WEB-1")] == [{"b"}, {"d"}, set()]


def test_windows_hold_for_their_hosts_persons_and_time() -> None:
    hosts = (HostLabel("web-*", ("web", "prod")),)
    windows = (
        Window(SUMMER, SUMMER + 90, "minutes", ("label:web",), ("group:ops",)),
        Window(SUMMER + HOUR, SUMMER + 3 * HOUR, "hours", ("db-1",), ("bob",)),
    )
    told = known(hosts=hosts, change_windows=windows, on_call=(Window(0, HOUR, "all"),))
    assert told.labels("web-1") == {"web", "prod"}
    assert told.is_change("web-1", "alice", SUMMER)
    assert not told.is_change("web-1", "alice", SUMMER + 90)
    assert not told.is_change("web-1", "bob", SUMMER)
    assert not told.is_change("web-1", None, SUMMER)
    assert told.is_change("db-1", "bob", SUMMER + 3 * HOUR - 1)
    assert told.is_on_call("any", None, HOUR - 1)
    assert not told.is_on_call("any", None, HOUR)


@given(
    windows=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9)), max_size=8),
    at=st.integers(0, 40),
)
@settings(max_examples=100, deadline=None)
def test_a_window_is_open_from_its_start_until_before_its_end(
    windows: list[tuple[int, int]], at: int
) -> None:
    third = HOUR // 3
    told = Known(Organisation(on_call=tuple(Window(a * third, (a + n) * third, "") for a, n in windows)))
    assert told.is_on_call("h", None, at * third) is any(a <= at < a + n for a, n in windows)
