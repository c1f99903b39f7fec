from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.collector_at_work import ENVIRONMENT, CollectorAtWork


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorAtWork]:
    made = CollectorAtWork(tmp_path_factory.mktemp("collector"))
    made.command("setup")
    made.serve()
    yield made
    made.close()


def enroll(collector: CollectorAtWork, folder: Path, token: str, code: int = 0) -> str:
    """Enrol a host through the agent's own command; return what it said."""
    folder.mkdir(exist_ok=True)
    (folder / "token").write_text(token)
    (folder / "agent.toml").write_text(
        f'state = "{folder}/state"\nruntime = "{folder}/run"\n[collector]\n'
        f'ingest = "https://127.0.0.1:{collector.port("ingest")}"\n'
        f'enrol = "https://127.0.0.1:{collector.port("console")}"\n'
    )
    command = [sys.executable, "-m", "agent.cli", "enroll", "--json"]
    command += ["--config", str(folder / "agent.toml"), "--token-file", str(folder / "token")]
    done = subprocess.run(command, env=ENVIRONMENT, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


def token_row(collector: CollectorAtWork, token: str) -> dict[str, object]:
    rows = json.loads(collector.command("token", "list", "--json"))
    found: dict[str, object] = next(row for row in rows if row["id"] == token.split(".")[1])
    return found


def test_a_host_enrols_and_its_token_is_spent(collector: CollectorAtWork, tmp_path: Path) -> None:
    token = collector.command("token", "create", "--label", "role=web").strip()
    agent = json.loads(enroll(collector, tmp_path / "first", token))["agent"]
    shown = json.loads(collector.command("agents", "show", agent, "--json"))
    assert shown["labels"] == {"role": "web"}
    assert token_row(collector, token)["last_agent"] == agent
    said = enroll(collector, tmp_path / "second", token, code=2)
    assert "refused" in said
    assert "no uses left" not in said
    assert "no uses left" in collector.log()


def test_a_wrong_pin_costs_no_use_and_sends_no_secret(collector: CollectorAtWork, tmp_path: Path) -> None:
    token = collector.command("token", "create").strip()
    head, token_id, secret, _ = token.split(".")
    said = enroll(collector, tmp_path / "host", f"{head}.{token_id}.{secret}.{'0' * 64}", code=2)
    assert "pin" in said
    assert token_row(collector, token)["uses_left"] == 1
    assert token_id not in collector.log()


def test_a_revoked_host_is_shown_so_at_once(collector: CollectorAtWork, tmp_path: Path) -> None:
    token = collector.command("token", "create").strip()
    agent = json.loads(enroll(collector, tmp_path / "host", token))["agent"]
    collector.command("agents", "revoke", agent, "--reason", "stolen")
    assert json.loads(collector.command("agents", "show", agent, "--json"))["revoked"]
    collector.command("agents", "revoke", "nobody", "--reason", "x", code=2)


@pytest.mark.parametrize("part", ["ingest", "pipeline", "console"])
def test_a_killed_part_comes_back_on_the_same_port(collector: CollectorAtWork, part: str) -> None:
    ports = collector.read("listeners.json")
    killed = collector.wait_until_ready()[part]
    os.kill(killed, signal.SIGKILL)
    processes = collector.wait_until_ready(without=killed)
    assert processes[part] != killed
    assert collector.read("listeners.json") == ports
    collector.command("token", "create")


def test_only_one_server_runs_with_a_state(collector: CollectorAtWork) -> None:
    before = collector.read("listeners.json")
    assert "runs already" in collector.command("serve", code=2)
    assert collector.read("listeners.json") == before
    collector.wait_until_ready()


@pytest.mark.parametrize("listener", ["ingest", "console"])
def test_nothing_listens_without_tls_1_3(collector: CollectorAtWork, listener: str) -> None:
    at = ("127.0.0.1", collector.port(listener))
    with socket.create_connection(at, 10) as plain:
        plain.sendall(b"GET /v1/nonce HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not plain.recv(64).startswith(b"HTTP")
    old = ssl.create_default_context(cafile=str(collector.state / "ca" / "anchors.pem"))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(at, 10) as plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain, server_hostname="localhost")


def test_sigterm_ends_every_process_and_leaves_nothing_stale(tmp_path: Path) -> None:
    collector = CollectorAtWork(tmp_path)
    collector.command("setup")
    collector.serve()
    processes = collector.wait_until_ready()
    assert collector.stop() == 0, collector.log()
    assert not any(Path(f"/proc/{pid}").exists() for pid in processes.values())
    assert collector.read("listeners.json") is None
    assert collector.read("processes.json") is None
    collector.command("token", "create")


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    collector = CollectorAtWork(tmp_path)
    collector.command("setup")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        collector.config.write_text(f'state = "{collector.state}"\n[ingest.listen]\nport = {port}\n')
        assert f"127.0.0.1:{port}" in collector.command("serve", code=2)
