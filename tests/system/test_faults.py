"""Faults under load: kill -9 at random, full disks, a dead or slow collector, a revoked host."""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from signal import SIGCONT, SIGSTOP

import pytest

from tests.system.fault_site import FaultSite, fault_site, fill, small_disk, until
from tests.system.markers import Loss, Workload, account, seconds

VICTIMS = {"watch": "agent", "ship": "agent", "ingest": "collector", "pipeline": "collector"}
LOSS_SECONDS = 6.0
MEGABYTE = 1 << 20
pytestmark = [pytest.mark.root, pytest.mark.timeout(3600)]


@dataclass(frozen=True)
class Round:
    """One kill: who, when (UTC ns), and how long it took until the successor worked."""

    number: int
    victim: str
    killed: int
    ended: int
    back: float


@pytest.fixture
def site() -> Iterator[FaultSite]:
    with fault_site() as made:
        yield made


def victims(chance: random.Random, rounds: int) -> list[str]:
    """Return whom to kill: random, and each as often as the others."""
    found: list[str] = []
    while len(found) < rounds:
        found += chance.sample(sorted(VICTIMS), len(VICTIMS))
    return found[:rounds]


def play(site: FaultSite, workload: Workload, number: int, victim: str, chance: random.Random) -> Round:
    """Kill the victim at a random moment under load; go on for a while after its successor works."""
    side = VICTIMS[victim]
    former = until(f"{victim} runs", lambda: site.pids(side).get(victim))
    workload.group = number
    with workload:
        time.sleep(chance.uniform(0.2, 4.0))
        killed = time.time_ns()
        site.kill(former)
        until(f"another {victim} runs", lambda: works(site, side, victim, former))
        back = (time.time_ns() - killed) / 1e9
        time.sleep(chance.uniform(1.5, 3.0))
    return Round(number, victim, killed, time.time_ns(), back)


def works(site: FaultSite, side: str, victim: str, former: int) -> bool:
    """Return whether the successor of a killed process does its work."""
    pid = site.pids(side).get(victim, former)
    return pid != former and (victim != "watch" or site.seeing(pid))


def losses_by_round(losses: list[Loss], played: list[Round]) -> dict[int, list[Loss]]:
    """Give each loss to the round whose kill it spans, else to the first that ended after it began."""
    found: dict[int, list[Loss]] = {one.number: [] for one in played}
    for loss in losses:
        spans = [one.number for one in played if loss.begin <= one.killed <= loss.end]
        ends = [one.number for one in played if loss.begin <= one.ended]
        found[(spans or ends or [played[-1].number])[0]].append(loss)
    return found


def test_kill_nine_at_random_under_load_loses_nothing_unsaid(site: FaultSite, rounds: int) -> None:
    seed = secrets.randbelow(1 << 32)
    print(f"\nseed {seed}, {rounds} rounds")
    chance = random.Random(seed)  # noqa: S311 - it chooses whom to kill
    site.set_up()
    workload = Workload()
    played = [
        play(site, workload, number, victim, chance)
        for number, victim in enumerate(victims(chance, rounds), start=1)
    ]
    site.settle(workload)
    times, every = site.times(workload), site.losses()
    losses = [loss for loss in every if loss.of_processes]
    print(f"stated: {sorted({loss.cause for loss in every})}")
    stated = losses_by_round(losses, played)
    for one in played:
        found = account(workload.of(one.number), times, losses)
        lost = f"{seconds(stated[one.number]):.1f} s of loss"
        print(f"round {one.number:2}: {one.victim:8} killed, back in {one.back:.1f} s; {found}; {lost}")
    account(workload.done, times, losses).check()
    assert max(seconds(one) for one in stated.values()) <= LOSS_SECONDS
    assert_replay_gives_the_same(site)
    site.audit()


def assert_replay_gives_the_same(site: FaultSite) -> None:
    """Rebuild the store from the ledger and compare all rows."""
    below = site.size()
    before = {table: site.digest(table, below) for table in ("events", "batches")}
    site.stop("collector")
    site.site.collector("replay")
    site.start_collector()
    for table, told in before.items():
        now = site.digest(table, below)
        assert now == told, f"{table}: {sorted(name for name in told if now[name] != told[name])} differ"


@pytest.mark.slow
def test_a_dead_and_then_a_slow_collector_cost_nothing(site: FaultSite) -> None:
    site.set_up(agent="[collector]\ntimeout = 2.0\n")
    workload = Workload()
    site.crash_collector()
    workload.play(1, 20.0)
    until("the status names the dead collector", lambda: "ship: " in problems(site))
    site.start_collector()
    site.settle(workload)
    workload.group = 2
    with workload:
        for _ in range(3):
            freeze_ingest(site, 3.0)
            time.sleep(1.0)
    site.settle(workload)
    found = account(workload.done, site.times(workload), site.losses())
    print(f"\ncollector dead, then slow: {found}")
    found.check()
    assert found.lost == 0
    site.audit()


def freeze_ingest(site: FaultSite, seconds_long: float) -> None:
    """Let ingest stand still for longer than ship waits for an answer."""
    pid = site.pids("collector")["ingest"]
    site.kill(pid, SIGSTOP)
    try:
        time.sleep(seconds_long)
    finally:
        site.kill(pid, SIGCONT)


def problems(site: FaultSite) -> str:
    return "; ".join(site.status().get("problems", ()))


@pytest.mark.slow
def test_a_full_disk_of_the_agent_is_stated_and_recovered_from(site: FaultSite) -> None:
    with small_disk(site.folder / "agent", 24):
        site.set_up(
            agent="[spool]\nfree_floor_bytes = 1000000\nsegment_bytes = 262144\n"
            "[batch]\nqueue_events = 3000\n"
        )
        workload = Workload()
        workload.play(1, 2.0)
        site.settle(workload)
        site.crash_collector()
        workload.play(2, 3.0)
        ballast = site.folder / "agent" / "ballast"
        fill(ballast)
        workload.group = 3
        with workload:
            until("the status says that data was given up", lambda: "spool: full" in problems(site))
            time.sleep(4.0)
        ballast.unlink()
        workload.play(4, 2.0)
        site.start_collector()
        site.settle(workload)
        times, losses = site.times(workload), site.losses()
        found = account(workload.done, times, losses)
        print(f"\ndisk of the agent full: {found}")
        found.check()
        assert found.lost > 0
        for group in (1, 4):
            assert account(workload.of(group), times, losses).lost == 0
        site.audit()
        site.close()


@pytest.mark.slow
def test_a_full_disk_of_the_collector_is_refused_and_recovered_from(site: FaultSite) -> None:
    with small_disk(site.folder / "collector", 128):
        site.set_up(collector=f"[ingest]\nfree_floor_bytes = {16 * MEGABYTE}\n")
        workload = Workload()
        workload.play(1, 2.0)
        site.settle(workload)
        below_floor, all_of_it = (site.folder / "collector" / name for name in ("below", "all"))
        fill(below_floor, leave=8 * MEGABYTE)
        workload.play(2, 2.0)
        until("the status names the collector's full disk", lambda: "disk_full" in problems(site))
        fill(all_of_it)
        workload.play(3, 4.0)
        all_of_it.unlink()
        below_floor.unlink()
        site.settle(workload)
        found = account(workload.done, site.times(workload), site.losses())
        print(f"\ndisk of the collector full: {found}")
        found.check()
        assert found.lost == 0
        site.audit()
        site.close()


@pytest.mark.slow
def test_a_revoked_agent_says_so_and_nothing_of_it_comes_in(site: FaultSite) -> None:
    site.set_up()
    workload = Workload()
    workload.play(1, 1.0)
    site.settle(workload)
    site.site.collector("agents", "revoke", site.agent_id, "--reason", "test")
    workload.play(2, 3.0)
    until("the status names the revocation", lambda: "revoked" in problems(site))
    last = site.last_entry()
    workload.play(3, 3.0)
    assert site.last_entry() == last
    times = site.times(workload)
    assert all(times.get(one.name) == 1 for one in workload.of(1))
    assert not any(one.name in times for one in workload.of(3))
    assert json.loads(site.site.collector("fsck", "--json"))["sound"]
