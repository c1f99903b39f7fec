from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent import cli
from agent.command import FAULT, FINE, FOUND
from evidence import seal
from tests.agent.enrolled import Agent, enrolled
from tests.agent.fake_collector import FakeCollector, running


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    with running(FakeCollector(), tmp_path) as collector:
        made = Agent(collector, enrolled(collector, tmp_path / "state"))
        (tmp_path / "agent.toml").write_text(f'state = "{tmp_path}/state"\n')
        yield made
        made.channel.close()


def run(agent: Agent, *words: str) -> int:
    return cli.main([*words, "--config", str(agent.layout.state.parent / "agent.toml")])


def test_status_counts_what_waits(agent: Agent, capsys: pytest.CaptureFixture[str]) -> None:
    agent.append()
    agent.append("bulk")
    assert run(agent, "spool", "status", "--json") == FINE
    shown = msgspec.json.decode(capsys.readouterr().out)["spool"]
    assert (shown["waiting"], shown["heads"]["bulk"]["head"]["seq"]) == (2, 1)
    agent.ship()
    agent.take()
    run(agent, "spool", "status")
    assert "0 statements wait" in capsys.readouterr().out


def test_verify_names_damage(agent: Agent, capsys: pytest.CaptureFixture[str]) -> None:
    agent.append("bulk")
    assert run(agent, "spool", "verify") == FINE
    (path,) = agent.layout.out.glob("*.data")
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(bytes(raw))
    assert run(agent, "spool", "verify") == FOUND
    assert "damaged" in capsys.readouterr().out


def test_flush_says_what_is_in_the_way(agent: Agent, capsys: pytest.CaptureFixture[str]) -> None:
    agent.append()
    assert run(agent, "spool", "flush", "--timeout", "0.1") == FOUND
    assert "1 statements still wait" in capsys.readouterr().out


def test_export_holds_the_bodies_ship_would_post(agent: Agent, tmp_path: Path) -> None:
    batches = [agent.append(), agent.append("bulk")]
    out = tmp_path / "export"
    assert run(agent, "spool", "export", str(out)) == FINE
    raw, bodies = out.read_bytes(), []
    while raw:
        (length,) = struct.unpack_from(">I", raw)
        bodies.append(seal.split_request(raw[4 : 4 + length]))
        raw = raw[4 + length :]
    assert sorted(bodies) == sorted((batch.envelope, batch.data) for batch in batches)
    assert run(agent, "spool", "export", str(out)) == FAULT


def test_unenroll_refuses_to_lose_what_waits(agent: Agent, capsys: pytest.CaptureFixture[str]) -> None:
    agent.append()
    assert run(agent, "unenroll") == FAULT
    assert "spool flush" in capsys.readouterr().err
    assert run(agent, "unenroll", "--force") == FINE
    assert not agent.layout.signing_key.exists()
    assert not agent.layout.spool.exists()


def test_reset_identity_leaves_nothing_of_the_old_one(agent: Agent) -> None:
    agent.append()
    assert run(agent, "reset-identity") == FINE
    assert list(agent.layout.state.iterdir()) == []
    assert run(agent, "reset-identity") == FINE
