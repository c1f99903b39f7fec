"""`setup` on a new machine: settings, listeners, names, first user, owners, and again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from collector import cli, first_settings, paths, service_user, settings_file
from collector.errors import SettingsError
from collector.first_settings import Wanted
from collector.service_user import ServiceUser
from collector.settings import Listener

ROOT = Path(__file__).parents[2]


def run(*words: str) -> int:
    return cli.main(list(words))


def test_all_is_told_by_options_and_again_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, password = tmp_path / "etc" / "collector.toml", tmp_path / "password"
    password.write_text("a very long password\n")
    words: tuple[str, ...] = ("setup", "--json", "--config", str(config), "--state", str(tmp_path / "state"))
    words += ("--name", "vedette.example.org", "--name", "192.0.2.7", "--admin", "alice")
    words += ("--ingest", "0.0.0.0:7443", "--console", "[::]:7444", "--password-file", str(password))
    assert run(*words) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ingest"], answer["console"]) == ("0.0.0.0:7443", "[::]:7444")
    assert (answer["admin"], answer["password"]) == ("alice", None)
    assert answer["ledger_key"].startswith("vedette.example.org/log+")
    settings = settings_file.load(config)
    assert settings.console.names == ("vedette.example.org", "192.0.2.7", "localhost", "127.0.0.1")
    served = x509.load_pem_x509_certificate(paths.of(settings).console_certificate.read_bytes())
    names = served.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "vedette.example.org" in names.get_values_for_type(x509.DNSName)
    before = config.read_bytes()
    password.unlink()
    assert run(*words) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["made"], again["admin"]) == ([], None)
    assert config.read_bytes() == before


def test_an_option_that_contradicts_the_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "collector.toml"
    config.write_text(f'state = "{tmp_path}/state"\n[ingest.listen]\nport = 1\n')
    assert run("setup", "--ingest", "127.0.0.1:2", "--config", str(config)) == 2
    assert "ingest.listen is 127.0.0.1:1, not 127.0.0.1:2" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()
    assert run("setup", "--name", "a.example", "--config", str(config)) == 2
    assert "console.names" in capsys.readouterr().err


def test_no_password_is_ever_an_argument(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "collector.toml"
    assert run("setup", "--password", "secret", "--config", str(config)) == 2
    assert not config.exists()
    assert run("setup", "--state", str(tmp_path / "state"), "--config", str(config)) == 0
    assert "password (shown only now)" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "7443", "host:", "host:99999", "a b:1", "::1:7443", "[x]:1"])
def test_what_is_no_listener_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        first_settings.listener(text)


def test_a_name_that_would_break_the_file_is_quoted(tmp_path: Path) -> None:
    path = tmp_path / "collector.toml"
    settings, raw = first_settings.settle(path, Wanted(names=['a"\n[x]\\']))
    assert raw is not None
    first_settings.write(path, raw, None)
    assert settings_file.load(path) == settings
    assert settings.console.names[0] == 'a"\n[x]\\'


def test_a_drop_in_that_is_there_already_counts(tmp_path: Path) -> None:
    (tmp_path / "collector.d").mkdir()
    (tmp_path / "collector.d" / "10.toml").write_text("[pipeline]\nmerge_seconds = 7\n")
    settings, _ = first_settings.settle(tmp_path / "collector.toml", Wanted(console=Listener("127.0.0.1", 5)))
    assert (settings.pipeline.merge_seconds, settings.console.listen.port) == (7, 5)
    (tmp_path / "collector.d" / "10.toml").write_text("[pipeline]\nmerge_seconds = no\n")
    with pytest.raises(SettingsError, match=r"10\.toml"):
        first_settings.settle(tmp_path / "collector.toml", Wanted())


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another user")
def test_root_makes_nothing_that_the_service_cannot_use(tmp_path: Path) -> None:
    folder = tmp_path / "place"
    folder.mkdir(mode=0o755)
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o011) if parent != Path("/") else None
    state, config = folder / "state", folder / "collector.toml"
    state.mkdir()
    os.chown(state, 65_534, 65_534)
    done = subprocess.run(
        [sys.executable, "-m", "collector.cli", "setup", "--state", str(state), "--config", str(config)],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {path.stat().st_uid for path in state.rglob("*")} == {65_534}
    assert (config.stat().st_uid, config.stat().st_gid, config.stat().st_mode & 0o777) == (0, 65_534, 0o640)
    assert "systemctl enable --now vedette-collector" in done.stdout


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="asks as root")
def test_a_folder_in_use_stays_its_owners(tmp_path: Path) -> None:
    assert service_user.of(tmp_path / "missing") == service_user.named(service_user.NAME)
    (tmp_path / "used").write_text("")
    assert service_user.of(tmp_path) is None
    os.chown(tmp_path, 12_345, 65_534)
    assert service_user.of(tmp_path) == ServiceUser("12345", 12_345, 65_534)
