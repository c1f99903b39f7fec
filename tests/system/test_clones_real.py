"""Copies of a host at a real collector: each machine speaks for itself, by one token for several uses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.system.agent_at_work import ROOT
from tests.system.collector_at_work import CollectorAtWork

CAN_COPY = os.geteuid() == 0 and shutil.which("unshare") is not None
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not CAN_COPY, reason="another machine id needs a mount namespace, made by root"),
]


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorAtWork]:
    made = CollectorAtWork(tmp_path_factory.mktemp("collector"))
    made.command("setup")
    made.serve()
    yield made
    made.close()


@dataclass
class Machine:
    """A state folder on a machine with this id, as a mount namespace shows it."""

    root: Path
    id: str

    def make(self, collector: CollectorAtWork) -> None:
        self.root.mkdir(exist_ok=True)
        (self.root / "agent.toml").write_text(
            f'state = "{self.root}/state"\nruntime = "{self.root}/run"\n'
            f'[collector]\ningest = "https://127.0.0.1:{collector.port("ingest")}"\n'
            f'enrol = "https://127.0.0.1:{collector.port("console")}"\n'
        )
        (self.root / "machine-id").write_text(self.id + "\n")

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        script = 'mount --bind "$0" /etc/machine-id && exec "$@"'
        agent = (sys.executable, "-m", "agent.cli", *words, "--config", str(self.root / "agent.toml"))
        return subprocess.run(
            ["unshare", "-m", "sh", "-c", script, str(self.root / "machine-id"), *agent],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def agent(self) -> str:
        return str(json.loads(self.run("enroll", "--json").stdout)["agent"])


def rows(collector: CollectorAtWork) -> dict[str, Any]:
    return {row["agent"]: row for row in json.loads(collector.command("agents", "list", "--json"))}


def test_copies_enrol_as_themselves_and_one_token_serves_a_group(
    collector: CollectorAtWork, tmp_path: Path
) -> None:
    line = collector.command("token", "create", "--uses", "3", "--label", "group=web").strip()
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(line)
    first = Machine(tmp_path / "first", "1" * 32)
    first.make(collector)
    assert first.run("enroll", "--token-file", str(token)).returncode == 0
    copy = Machine(tmp_path / "copy", "2" * 32)
    shutil.copytree(first.root, copy.root)
    copy.make(collector)

    refused = copy.run("ship")
    assert refused.returncode == 2
    assert "is a copy" in refused.stderr
    done = copy.run("enroll", "--wait", "--json", VEDETTE_TOKEN=line)
    assert done.returncode == 0, done.stderr
    assert "the copied identity is dropped" in done.stderr
    assert line.split(".")[2] not in done.stdout + done.stderr
    assert copy.agent() != first.agent()
    assert copy.run("spool", "status").returncode == 0

    told = rows(collector)
    assert {told[machine.agent()]["labels"]["group"] for machine in (first, copy)} == {"web"}
    assert told[copy.agent()]["successor_of"] is None

    rebuilt = Machine(tmp_path / "rebuilt", "1" * 32)
    rebuilt.make(collector)
    assert rebuilt.run("enroll", "--token-file", str(token), "--delete-token").returncode == 0
    assert not token.exists()
    assert rows(collector)[rebuilt.agent()]["successor_of"] == first.agent()

    fourth = Machine(tmp_path / "fourth", "4" * 32)
    fourth.make(collector)
    spent = fourth.run("enroll", "--wait", VEDETTE_TOKEN=line)
    assert spent.returncode == 2
    assert "refused" in spent.stderr


def test_an_image_brings_nothing_and_each_copy_enrols_at_its_first_boot(
    collector: CollectorAtWork, tmp_path: Path
) -> None:
    line = collector.command("token", "create", "--uses", "3").strip()
    golden = Machine(tmp_path / "golden", "5" * 32)
    golden.make(collector)
    assert golden.run("enroll", VEDETTE_TOKEN=line).returncode == 0
    agents = {golden.agent()}
    sealed = golden.run("seal-image", "--keep-token")
    assert sealed.returncode == 0, sealed.stderr
    assert "machine-id" in sealed.stderr
    for number in ("6", "7"):
        copy = Machine(tmp_path / number, number * 32)
        shutil.copytree(golden.root, copy.root)
        copy.make(collector)
        assert copy.run("enroll", "--needed").returncode == 0
        assert copy.run("enroll", "--wait", VEDETTE_TOKEN=line).returncode == 0
        assert copy.run("enroll", "--needed").returncode == 1
        agents.add(copy.agent())
    assert len(agents) == 3
    assert not {rows(collector)[agent]["successor_of"] for agent in agents} - {None}
