"""The login of the client: whose it is, what it trusts, and what is said when it does not hold."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from client.cli import main
from tests.collector.api import live

from .conftest import Served, certificate


def test_the_login_is_for_its_user_alone(served: Served) -> None:
    assert {stat.S_IMODE(path.stat().st_mode) for path in served.folder.iterdir()} == {0o600}
    said = b"".join(path.read_bytes() for path in served.folder.iterdir())
    assert live.PASSWORD.encode() not in said


def test_without_a_login_the_next_command_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["alerts", "--config", str(tmp_path)]) == 3
    assert "vedette login --url" in capsys.readouterr().err


def test_a_wrong_password_is_a_fault_without_a_traceback(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong").write_text("not the password\n")
    words = ["login", "--url", served.live.url, "--ca", str(served.ca), "--user", "vera"]
    assert main([*words, "--password-file", str(tmp_path / "wrong"), "--config", str(tmp_path)]) == 2
    assert "password is wrong" in capsys.readouterr().err
    assert not (tmp_path / "login.json").exists()


def test_another_ca_or_pin_is_refused(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, _ = certificate(tmp_path)
    (tmp_path / "password").write_text(live.PASSWORD)
    end = ["--user", "vera", "--password-file", str(tmp_path / "password"), "--config", str(tmp_path)]
    assert main(["login", "--url", served.live.url, "--ca", str(other), *end]) == 2
    assert "not from the CA" in capsys.readouterr().err
    assert main(["login", "--url", served.live.url, "--ca", str(served.ca), "--pin", "00" * 32, *end]) == 2
    assert "another key" in capsys.readouterr().err
    assert main(["login", "--url", "http://127.0.0.1:1", "--ca", str(served.ca), *end]) == 2


def test_a_collector_that_is_away_is_named(served: Served, tmp_path: Path) -> None:
    for name in ("login.json", "ca.pem"):
        (tmp_path / name).write_bytes((served.folder / name).read_bytes())
    login = json.loads((tmp_path / "login.json").read_text())
    (tmp_path / "login.json").write_text(json.dumps(login | {"url": "https://127.0.0.1:1"}))
    assert main(["status", "--config", str(tmp_path)]) == 2


def test_a_token_that_is_over_asks_for_a_login(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "password").write_text(live.PASSWORD)
    words = ["--url", served.live.url, "--ca", str(served.ca), "--user", "adam"]
    folder = ["--config", str(tmp_path)]
    assert main(["login", *words, "--password-file", str(tmp_path / "password"), *folder]) == 0
    before = (tmp_path / "login.json").read_bytes()
    assert main(["login", "--out", *folder]) == 0
    (tmp_path / "login.json").write_bytes(before)
    assert main(["alerts", *folder]) == 3
    assert "vedette login" in capsys.readouterr().err
