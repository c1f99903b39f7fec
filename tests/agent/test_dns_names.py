"""Names of addresses, as DNS answers told them."""

from __future__ import annotations

from agent.dns_names import DnsNames


def test_the_latest_name_counts_until_its_time() -> None:
    names = DnsNames()
    names.learn("192.0.2.1", "old.example", 100)
    names.learn("192.0.2.1", "new.example", 50)
    assert names.find("192.0.2.1", 50) == "new.example"
    assert names.find("192.0.2.1", 51) is None
    assert names.find("192.0.2.2", 0) is None


def test_the_longest_unlearnt_are_forgotten() -> None:
    names = DnsNames(limit=2)
    for ip in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3"):
        names.learn(ip, "x.example", 9)
    assert len(names) == 2
    assert names.find("192.0.2.2", 0) is None
    assert names.find("192.0.2.1", 0) == "x.example"


def test_what_a_client_asked_for_stands_for_its_connection_alone() -> None:
    names = DnsNames(limit=2)
    for flow in (1, 2, 3):
        names.learn_flow(flow, f"{flow}.example")
    assert [names.of_flow(flow) for flow in (1, 2, 3, 4)] == [None, "2.example", "3.example", None]
    assert len(names) == 0
