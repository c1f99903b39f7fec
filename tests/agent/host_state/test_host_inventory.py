"""The inventory is told at start, on change but not too often, after its period; always in bounds."""

from __future__ import annotations

import msgspec

from agent.decode.passwd import Account
from agent.host_state.host_inventory import SPACING, HostInventory, Known
from evidence.codec import LINE_LIMIT
from evidence.enrolment import Facts
from evidence.kinds.state import Host, Interface, Packages

S = 1_000_000_000
FACTS = Facts(
    machine_id="m", boot_id="b", host="web1", instance_id="i-1", os="Debian", kernel="6.1", version="1"
)


def known(packages: int = 3, listeners: tuple[str, ...] = ("tcp 0.0.0.0:22",)) -> Known:
    return Known(
        facts=FACTS,
        interfaces=(Interface(name="eth0", addresses=("10.0.0.5/24",)),),
        accounts=(Account("alice", 1000, "/home/alice", "/bin/sh"),),
        snapshots={
            "packages": {"dpkg": {f"p{number}": "1" for number in range(packages)}},
            "listeners": {name: {"/usr/sbin/sshd": ""} for name in listeners},
        },
        rungs={"process": "bpf", "login": None},
    )


def test_at_start_everything_is_told() -> None:
    host, packages = HostInventory(86_400).tell(known(), 0)
    assert isinstance(host, Host)
    assert (host.host, host.instance_id, host.boot) == ("web1", "i-1", "b")
    assert host.listeners == ("tcp 0.0.0.0:22 /usr/sbin/sshd",)
    assert host.rungs == {"process": "bpf", "login": None}
    assert host.modules is None
    assert isinstance(packages, Packages)


def test_a_change_is_told_after_the_spacing_and_what_is_equal_is_not() -> None:
    inventory = HostInventory(86_400)
    inventory.tell(known(), 0)
    assert inventory.tell(known(listeners=()), SPACING - 1) == []
    (host,) = inventory.tell(known(listeners=()), SPACING)
    assert isinstance(host, Host)
    assert inventory.tell(known(listeners=()), 3 * SPACING) == []


def test_new_packages_are_told_with_the_host_whose_digest_they_change() -> None:
    inventory = HostInventory(86_400)
    inventory.tell(known(), 0)
    host, packages = inventory.tell(known(packages=4), SPACING)
    assert isinstance(host, Host)
    assert isinstance(packages, Packages)
    assert host.packages_sha256 == packages.packages_sha256


def test_it_is_told_again_after_its_period() -> None:
    inventory = HostInventory(86_400)
    inventory.tell(known(), 0)
    assert len(inventory.tell(known(), 86_400 * S)) == 2


def test_many_packages_come_in_parts_that_together_are_all() -> None:
    parts = [body for body in HostInventory(1).tell(known(1201), 0) if isinstance(body, Packages)]
    assert [(one.part, one.parts, one.count) for one in parts] == [(1, 3, 1201), (2, 3, 1201), (3, 3, 1201)]
    assert len({name for one in parts for name in one.packages}) == 1201


def test_the_largest_inventory_fits_into_an_event() -> None:
    long = "x" * 10_000
    huge = Known(
        facts=FACTS,
        interfaces=tuple(
            Interface(name=f"veth{number:010}", mac="00:00:00:00:00:00", addresses=("fd00::1:2:3:4/64",) * 16)
            for number in range(128)
        ),
        accounts=tuple(Account(long, 1, long, long) for _ in range(9000)),
        snapshots={
            "packages": {"dpkg": {f"{number:04}{long}": long for number in range(2000)}},
            "listeners": {f"tcp {number:05}": {long: ""} for number in range(2000)},
        },
        rungs={},
    )
    for body in HostInventory(1).tell(huge, 0):
        assert len(msgspec.json.encode(body)) < LINE_LIMIT
