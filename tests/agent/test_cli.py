"""The command line: exit codes, JSON, and errors that name the cause."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from agent import cli, commands
from agent.version import VERSION

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "path", sorted(Path(commands.__file__).parent.glob("[a-z]*.py")), ids=lambda p: p.stem
)
def test_every_command_is_named_after_its_file(path: Path) -> None:
    command = cli.load(path.stem)
    assert command.words.replace(" ", "_").replace("-", "_") == path.stem
    assert command.summary


def test_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
    assert cli.main(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == VERSION
    assert cli.main(["--version"]) == 0


def test_no_command_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "config test" in capsys.readouterr().err
    assert cli.main(["--help"]) == 0
    assert "config test" in capsys.readouterr().out


def test_an_unknown_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["frobnicate", "x"]) == 2
    assert "no command 'frobnicate x'" in capsys.readouterr().err


def test_a_wrong_option_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["version", "--frob"]) == 2
    assert "--frob" in capsys.readouterr().err


def test_a_fault_is_one_line_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "agent.toml"
    config.write_text("[file]\ntrees = 3\n")
    assert cli.main(["config", "show", "--json", "--config", str(config)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    assert json.loads(captured.out) == {
        "error": f"{config}:2: file.trees: expected array of strings, got int",
        "code": 2,
    }


def test_config_show_can_be_read_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty.toml"
    empty.touch()
    assert cli.main(["config", "show", "--config", str(empty)]) == 0
    shown = tmp_path / "agent.toml"
    shown.write_text(capsys.readouterr().out)
    assert cli.main(["config", "test", "--config", str(shown)]) == 0


def test_a_settings_file_that_was_named_must_be_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["config", "show", "--config", str(tmp_path / "none.toml")]) == 2
    assert "none.toml: no such file" in capsys.readouterr().err


def test_config_schema_is_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$defs"]["File"]["properties"]["trees"]["type"] == "array"
