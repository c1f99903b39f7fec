"""A running watch takes a policy: from then on what it names is left out or watched, without a restart."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent import identity
from agent.spool.disk import LocalDisk
from evidence import policy
from evidence.keys import PrivateKey
from evidence.kinds.agent import Loss, Sensor, Start
from evidence.kinds.policy import Applied, Refused
from evidence.kinds.process import Exec
from evidence.policy import Policy
from evidence.policy_settings import Filtered, Ignore, PolicySettings
from tests.agent.feeds_at_work import run
from tests.system.agent_at_work import Agent

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

KEY = PrivateKey(b"\x09" * 32)
DAY = 86_400 * 10**9


@pytest.fixture
def runner() -> Iterator[str]:
    """Give a program that root alone can change, up to the root of the file system."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a program that root alone can change")
    folder = Path(tempfile.mkdtemp(prefix="vedette-policy-", dir="/var/lib"))
    folder.chmod(0o755)
    shutil.copy("/usr/bin/true", folder / "runner")
    yield str(folder / "runner")
    shutil.rmtree(folder)


def pin(agent: Agent) -> None:
    stored = msgspec.structs.replace(identity.read(agent.places), policy_key=KEY.public.hex())
    LocalDisk(0o600).replace(agent.places.identity, identity.encode(stored))


def hand_over(
    agent: Agent, version: int, settings: PolicySettings, key: PrivateKey = KEY, next_key: str | None = None
) -> None:
    now = time.time_ns()
    made = Policy(
        name="fleet",
        version=version,
        issued=now,
        from_=now,
        until=now + DAY,
        settings=settings,
        next_key=next_key,
    )
    LocalDisk().replace(agent.places.handed_policy, policy.bundle((policy.sign(made, key),)))


def answers(agent: Agent) -> list[tuple[str, int | None]]:
    told = [body for body in agent.bodies() if isinstance(body, Applied | Refused)]
    return [(one.cause if isinstance(one, Applied) else one.ground, one.version) for one in told]


def execs(agent: Agent, program: str) -> list[str]:
    found = [body for body in agent.bodies() if isinstance(body, Exec) and body.argv[:1] == (program,)]
    return [one.argv[1] for one in found]


def test_filters_follow_a_policy_while_watch_runs_and_survive_its_restart(agent: Agent, runner: str) -> None:
    pin(agent)
    agent.start("watch")
    quieter = PolicySettings(process=Filtered(ignore=Ignore(programs=(runner,))))

    def ran(mark: str) -> None:
        run(runner, mark)
        run("/usr/bin/true", mark)
        agent.wait(lambda: mark in execs(agent, "/usr/bin/true"), mark)

    ran("before")
    hand_over(agent, 1, quieter)
    agent.wait(lambda: ("taken", 1) in answers(agent), "the policy is taken")
    ran("ignored")
    hand_over(agent, 2, PolicySettings(), PrivateKey(b"\x0a" * 32))
    agent.wait(lambda: len(answers(agent)) == 2, "a forgery is refused")
    assert agent.stop() == 0
    agent.start("watch")
    ran("still ignored")
    hand_over(agent, 2, PolicySettings())
    agent.wait(lambda: ("taken", 2) in answers(agent), "the policy is rolled back")
    ran("after")
    hand_over(agent, 1, quieter)
    agent.wait(lambda: ("older", 1) in answers(agent), "the older one is refused")
    ran("at last")
    assert agent.stop() == 0
    assert execs(agent, runner) == ["before", "after", "at last"]
    forged = ("another key", None)  # which lay there still at the second start
    assert answers(agent) == [("taken", 1), forged, forged, ("taken", 2), ("older", 1)]
    bodies = agent.bodies()
    starts = [body.policy is not None for body in bodies if isinstance(body, Start)]
    assert starts == [False, True]
    left_out = [body.count for body in bodies if isinstance(body, Loss) and body.cause.endswith(runner)]
    assert sum(count or 0 for count in left_out) >= 2
    opened = [body for body in bodies if isinstance(body, Sensor) and body.sensor == "process"]
    assert len(opened) == 2


def test_the_next_key_signs_what_follows_at_once_and_after_a_restart(agent: Agent) -> None:
    pin(agent)
    second, third = PrivateKey(b"\x0b" * 32), PrivateKey(b"\x0c" * 32)
    agent.start("watch")
    hand_over(agent, 1, PolicySettings(), next_key=second.public.hex())
    agent.wait(lambda: ("taken", 1) in answers(agent), "the first key hands over")
    hand_over(agent, 2, PolicySettings(), second, next_key=third.public.hex())
    agent.wait(lambda: ("taken", 2) in answers(agent), "the second key hands over")
    assert agent.stop() == 0
    agent.start("watch")
    hand_over(agent, 3, PolicySettings(), second)
    agent.wait(lambda: ("another key", None) in answers(agent), "a former key is refused")
    hand_over(agent, 3, PolicySettings(), third)
    agent.wait(lambda: ("taken", 3) in answers(agent), "the third key signs")
    assert agent.stop() == 0
    assert answers(agent) == [("taken", 1), ("taken", 2), ("another key", None), ("taken", 3)]


def test_a_decoy_of_a_policy_is_watched_at_once(agent: Agent, tmp_path: Path) -> None:
    pin(agent)
    decoy = tmp_path / "salaries.csv"
    decoy.write_text("name,salary\n")
    agent.start("watch")
    file = msgspec.convert({"file": {"decoys": [str(decoy)], "read_window": 1.0}}, PolicySettings)
    hand_over(agent, 1, file)
    agent.wait(lambda: ("taken", 1) in answers(agent), "the policy is taken")

    def read() -> bool:
        run("/bin/cat", str(decoy))
        return any(getattr(body, "path", None) == str(decoy) for body in agent.bodies())

    agent.wait(read, "a read of the decoy is told")
    assert agent.stop() == 0
    causes = [body.cause for body in agent.bodies() if isinstance(body, Loss) and body.sensor == "file"]
    assert "opened anew for a policy" in causes
