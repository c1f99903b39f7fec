from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path

import pytest

from collector import cli, commands, identity, paths, settings_file
from collector.errors import SettingsError
from collector.ledger.reader import LedgerReader
from evidence import seal
from evidence.event import Event
from evidence.kinds.collector import Act


def run(*words: str) -> int:
    return cli.main(list(words))


def test_every_verb_has_its_file() -> None:
    for module in pkgutil.iter_modules(commands.__path__):
        command = cli.load(module.name)
        assert command.words.replace(" ", "_").replace("-", "_") == module.name
        assert command.summary


def test_a_file_without_a_command_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("COMMAND = 'no'\n")
    monkeypatch.setattr(commands, "__path__", [str(tmp_path)])
    importlib.invalidate_caches()
    with pytest.raises(TypeError, match="COMMAND"):
        cli.load("broken")


def test_usage_is_told_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    assert run("nonsense") == 2
    assert "token create" in capsys.readouterr().err
    assert run("--help") == 0
    assert "token create" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("token", "list"), ("user", "list"), ("agents", "list"), ("serve",)])
def test_before_setup_every_verb_says_what_to_type(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    config = tmp_path / "collector.toml"
    config.write_text(f'state = "{tmp_path}/state"\n[ingest.listen]\nport = 0\n[console.listen]\nport = 0\n')
    assert run(*words, "--config", str(config)) == 3
    assert "vedette-collector setup" in capsys.readouterr().err


def test_errors_are_json_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "collector.toml"
    config.write_text(f'state = "{tmp_path}/state"\n')
    assert run("user", "list", "--json", "--config", str(config)) == 3
    said = json.loads(capsys.readouterr().out)
    assert said["code"] == 3


def test_setup_tokens_and_users_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, password = tmp_path / "collector.toml", tmp_path / "password"
    config.write_text(f'state = "{tmp_path}/state"\n')
    password.write_text("a very long password\n")
    here = ("--config", str(config))
    assert run("setup", "--password-file", str(password), *here) == 0
    assert "a very long password" not in capsys.readouterr().out
    assert run("token", "create", "--uses", "3", "--network", "10.0.0.0/8", "--label", "a=b", *here) == 0
    line = capsys.readouterr().out.strip()
    token = line.split(".")[1]
    assert run("token", "list", "--json", *here) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["id"], row["uses"], row["networks"], row["labels"]) == (token, 3, ["10.0.0.0/8"], {"a": "b"})
    assert run("token", "revoke", token, "--reason", "lost", *here) == 0
    assert run("token", "revoke", "0" * 16, *here) == 2
    assert run("user", "add", "bob", "--role", "analyst", "--password-file", str(password), *here) == 0
    assert run("user", "add", "bob", "--password-file", str(password), *here) == 2
    assert run("user", "disable", "bob", *here) == 0
    capsys.readouterr()
    assert run("user", "list", "--json", *here) == 0
    assert [(user["name"], user["role"]) for user in json.loads(capsys.readouterr().out)] == [
        ("admin", "admin"),
        ("bob", "analyst"),
    ]


def test_what_is_done_at_the_collector_stands_in_its_ledger(tmp_path: Path) -> None:
    config = tmp_path / "collector.toml"
    config.write_text(f'state = "{tmp_path}/state"\n')
    here = ("--config", str(config))
    run("setup", *here)
    run("token", "create", "--uses", "7", *here)
    places = paths.Paths(tmp_path / "state")
    first, *rest = LedgerReader(places.ledger).items(0, 10)
    public = identity.signer(places).public
    acts = [seal.unseal(item.payload, item.data or b"", public)[1].events[0] for item in rest]
    assert first.type.name == "ENROLMENT"
    bodies = [event.body for event in acts if isinstance(event, Event)]
    assert all(isinstance(body, Act) for body in bodies)
    assert [body.verb for body in bodies if isinstance(body, Act)] == ["user.add", "token.create"]
    assert [body.detail for body in bodies if isinstance(body, Act)][1]["uses"] == "7"  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[ingest]\nagent_batches_per_minute = "x"\n', ":2: ingest.agent_batches_per_minute: expected int"),
        ("[ingest.listen]\n\nport = 70000\n", ":3: ingest.listen.port: expected int <= 65535"),
        ("[console]\nquery_rws = 1\n", ":2: console.query_rws: unknown key; did you mean query_rows?"),
        ("stat = 1\n", ":1: stat: unknown key; did you mean state?"),
        ("state = 5\n", ":1: state: expected str, got int"),
        ("console.names = [1]\n", ":1: console.names: expected str, got int"),
        ("x = \n", "not valid TOML"),
    ],
)
def test_a_wrong_setting_is_named_by_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "collector.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        settings_file.load(file)
    assert str(file) in str(caught.value)
    assert message in str(caught.value)


def test_drop_ins_come_after_the_file_in_the_order_of_their_names(tmp_path: Path) -> None:
    file = tmp_path / "collector.toml"
    file.write_text('origin = "a"\n[certificates]\nclient_days = 1\nserver_days = 2\n')
    folder = tmp_path / "collector.d"
    folder.mkdir()
    (folder / "20.toml").write_text("[certificates]\nserver_days = 20\n")
    (folder / "10.toml").write_text("[certificates]\nserver_days = 10\nca_days = 10\n")
    found = settings_file.load(file)
    assert (found.origin, found.certificates.client_days) == ("a", 1)
    assert (found.certificates.server_days, found.certificates.ca_days) == (20, 10)


def test_config_show_is_itself_a_valid_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "collector.toml"
    file.write_text('[detection.people]\nalice = ["al"]\n[detection.parameters."a.b"]\nlimit = 3\n')
    assert run("config", "show", "--config", str(file)) == 0
    again = tmp_path / "again.toml"
    again.write_text(capsys.readouterr().out)
    assert settings_file.load(again) == settings_file.load(file)
    assert run("config", "test", "--config", str(again)) == 0
    assert run("config", "test", "--config", str(tmp_path / "none.toml")) == 2
    capsys.readouterr()
    assert run("config", "schema") == 0
    assert "Console" in json.loads(capsys.readouterr().out)["$defs"]


def test_a_settings_file_that_was_named_must_be_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["config", "show", "--config", str(tmp_path / "none.toml")]) == 2
    assert "none.toml: no such file" in capsys.readouterr().err
