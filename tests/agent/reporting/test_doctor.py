"""doctor names what hinders, with the command that fixes it."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from agent import cli
from agent.layout import Layout
from agent.reporting import doctor
from agent.settings import Collector, Settings, Spool


def settings(folder: Path, **collector: str) -> Settings:
    return Settings(
        state=folder, collector=Collector(timeout=1.0, **collector), spool=Spool(free_floor_bytes=1)
    )


def found(settings: Settings, check: str) -> list[doctor.Finding]:
    return [one for one in doctor.examine(settings, settings.state / "agent.toml") if one.check == check]


def test_a_host_without_identity_is_told_how_to_get_one(tmp_path: Path) -> None:
    (finding,) = found(settings(tmp_path), "identity")
    assert (finding.level, finding.fix) == (doctor.BAD, "vedette-agent enroll --token-file FILE")


def test_a_key_that_others_can_read_is_bad(tmp_path: Path) -> None:
    places = Layout(tmp_path)
    places.watch.mkdir(mode=0o700)
    places.signing_key.write_bytes(b"x")
    places.signing_key.chmod(0o644)
    (finding,) = found(settings(tmp_path), "permissions")
    assert finding.level == doctor.BAD
    assert finding.fix == f"chmod 600 {places.signing_key}"


def test_a_collector_that_answers_is_fine_and_one_that_does_not_is_bad(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        asked = settings(tmp_path, ingest=f"https://127.0.0.1:{port}", enrol="https://127.0.0.1:1")
        assert [one.level for one in found(asked, "collector")] == [doctor.FINE, doctor.BAD]
    plain = settings(tmp_path, ingest="http://127.0.0.1:1", enrol="nonsense")
    assert [one.level for one in found(plain, "collector")] == [doctor.BAD, doctor.BAD]


def test_a_disk_below_its_floor_is_bad(tmp_path: Path) -> None:
    asked = Settings(state=tmp_path, spool=Spool(free_floor_bytes=1 << 60))
    assert [one.level for one in found(asked, "disk")] == [doctor.BAD]


def test_it_runs_as_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(f"state = '{tmp_path}/none'\n[collector]\ningest = 'https://127.0.0.1:1'\n")
    assert cli.main(["doctor", "--json", "--config", str(config)]) == 1
    checks = {one["check"] for one in json.loads(capsys.readouterr().out)}
    assert checks >= {"kernel", "btf", "audit", "journald", "clock", "disk", "identity", "collector"}
