"""Agents in namespaces of their own, on one kernel: each sees its own, and nothing of the other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evidence.kind import Body
from evidence.kinds.agent import Sensor, Start
from evidence.kinds.connection import Close
from evidence.kinds.process import Exec, Exit
from tests.system.agent_at_work import ROOT, Agent

TRUE = "/usr/bin/true"
UNSHARE = ("/usr/bin/unshare", "--pid", "--net", "--mount-proc", "--fork", "--kill-child")


pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: namespaces are made"),
    pytest.mark.timeout(120),
]


class Host:
    """A namespace with an agent in it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.agent = Agent(folder)
        config = self.agent.config
        config.write_text('scope = "namespace"\n' + config.read_text())
        command = [*UNSHARE, sys.executable, "-m", "tests.system.namespace_host", str(config)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        while not (folder / "run/status.json").exists():
            assert self.process.poll() is None, "the namespace ended"
            time.sleep(0.05)

    def do(self, word: str, value: object) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word} {value}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def stop(self) -> None:
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.agent.close()

    def bodies(self) -> list[Body]:
        return self.agent.bodies()


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Host, Host]]:
    if subprocess.run([*UNSHARE, TRUE], check=False).returncode:
        pytest.skip("the kernel or the container makes no namespaces here")
    made: list[Host] = []
    try:
        made += [Host(tmp_path / "one")]
        made += [Host(tmp_path / "two")]
        yield made[0], made[1]
    finally:
        for host in made:
            host.close()


def execs(host: Host) -> list[Exec]:
    return [body for body in host.bodies() if isinstance(body, Exec)]


def test_two_agents_on_one_kernel_report_nothing_of_each_other(hosts: tuple[Host, Host]) -> None:
    one, two = hosts
    pids = {
        host: [host.do("true", f"{name}-{n}") for n in range(20)]
        for name, host in zip("ab", hosts, strict=True)
    }
    one.do("nested", "a-nested")
    subprocess.run([TRUE, "outside"], check=True)
    one.do("connect", 12_345)
    two.do("connect", 54_321)
    for host in hosts:
        host.stop()
    for name, host in zip("ab", hosts, strict=True):
        marks = [body for body in execs(host) if body.argv[0] == TRUE and body.argv[1].startswith(f"{name}-")]
        plain = [body for body in marks if body.argv[1] != "a-nested"]
        assert [body.argv[1] for body in plain] == [f"{name}-{n}" for n in range(20)]
        assert [body.pid for body in plain] == pids[host], "as its /proc shows them"
        assert {body.ppid for body in plain} == {1}
        ended = {body.pid for body in host.bodies() if isinstance(body, Exit)}
        assert set(pids[host]) <= ended
        (started,) = (body for body in host.bodies() if isinstance(body, Start))
        assert started.scope == "namespace"
    foreign = ("b-", "outside"), ("a-", "outside")
    for host, wrong in zip(hosts, foreign, strict=True):
        assert not [body for body in execs(host) for word in body.argv if word.startswith(wrong)]
    assert [body.argv[1] for body in execs(one) if body.argv[-1] == "a-nested" and body.argv[0] == TRUE] == [
        "a-nested"
    ]
    sent = [{body.bytes_out for body in host.bodies() if isinstance(body, Close)} for host in hosts]
    assert 12_345 in sent[0]
    assert 54_321 in sent[1]
    assert 54_321 not in sent[0]
    assert 12_345 not in sent[1]


def test_the_sensors_of_a_namespace_are_on_their_first_rung(hosts: tuple[Host, Host]) -> None:
    one, _ = hosts
    one.stop()
    rungs = {body.sensor: body.rung for body in one.bodies() if isinstance(body, Sensor)}
    assert (rungs["process"], rungs["connection"]) == ("bpf", "bpf")
