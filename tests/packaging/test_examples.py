"""The examples for cloud-init, Ansible and Terraform: they parse, and say what agent and units take."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent import settings_file
from agent.enrolment import token_source
from evidence.enrolment import parse_token

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "packaging" / "examples"
UNITS = {path.name for path in (ROOT / "packaging" / "systemd").iterdir()}
TOKEN = f"vdt1.{'a' * 16}.{'b' * 43}.{'c' * 64}"


def cloud_init() -> str:
    return (EXAMPLES / "cloud-init" / "user-data.yaml").read_text()


def terraform() -> str:
    """Return the template as `templatefile` renders it: it uses plain variables alone."""
    text = (EXAMPLES / "terraform" / "user-data.yaml.tftpl").read_text()
    values = {"collector": "vedette.example.org", "token": TOKEN}
    return re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text)


def tasks() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(
        (EXAMPLES / "ansible" / "roles" / "vedette_agent" / "tasks" / "main.yml").read_text()
    )
    return found


@pytest.mark.parametrize("render", [cloud_init, terraform])
def test_user_data_leaves_a_token_and_settings_that_the_agent_takes(render: Any, tmp_path: Path) -> None:
    text = render()
    assert text.startswith("#cloud-config\n")
    data = yaml.safe_load(text)
    files = {each["path"]: each for each in data["write_files"]}
    token = files[str(token_source.WAITED_FOR)]
    assert token["permissions"] == "0600"
    parse_token(token["content"])
    (tmp_path / "agent.toml").write_text(files["/etc/vedette/agent.d/10-collector.toml"]["content"])
    assert settings_file.load(tmp_path / "agent.toml").collector.ingest == "https://vedette.example.org:7443"
    assert data["packages"] == ["vedette-agent"]


@pytest.mark.parametrize("render", [cloud_init, terraform])
def test_no_command_line_of_user_data_has_the_token(render: Any) -> None:
    for command in yaml.safe_load(render())["runcmd"]:
        assert isinstance(command, list), "a list is no shell"
        assert command[0] == "systemctl"
        assert command[-1] in UNITS
        assert not [word for word in command if "vdt1" in word]


def test_terraform_hands_over_what_the_template_uses() -> None:
    text = (EXAMPLES / "terraform" / "main.tf").read_text()
    used = set(re.findall(r"\$\{(\w+)\}", (EXAMPLES / "terraform" / "user-data.yaml.tftpl").read_text()))
    call = text[text.index("templatefile(") :]
    assert set(re.findall(r"^ +(\w+) += var\.", call, re.MULTILINE)) == used
    assert text.count("{") == text.count("}")
    assert re.search(r'variable "vedette_token" \{[^}]*sensitive +=\s*true', text)


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
def test_terraform_formats_and_renders_it_the_same(tmp_path: Path) -> None:
    folder = EXAMPLES / "terraform"
    around = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CHECKPOINT_DISABLE": "1"}
    subprocess.run(["terraform", "fmt", "-check", str(folder)], check=True, env=around, cwd=tmp_path)
    shutil.copy(folder / "user-data.yaml.tftpl", tmp_path)
    asked = f'templatefile("user-data.yaml.tftpl", {{collector="vedette.example.org", token="{TOKEN}"}})\n'
    done = subprocess.run(
        ["terraform", "console"],
        input=asked,
        capture_output=True,
        text=True,
        check=True,
        env=around,
        cwd=tmp_path,
    )
    assert done.stdout.removeprefix("<<EOT\n").removesuffix("\nEOT\n").strip() == terraform().strip()


def test_the_role_shows_no_token_and_names_units_that_are_there(tmp_path: Path) -> None:
    leaving = next(task for task in tasks() if "/etc/vedette/token" in str(task))
    assert leaving["no_log"] is True
    assert leaving["ansible.builtin.copy"]["mode"] == "0600"
    assert set(_units(tasks())) <= UNITS
    copied = next(task for task in tasks() if "agent.d" in str(task))["ansible.builtin.copy"]["content"]
    defaults = yaml.safe_load(
        (EXAMPLES / "ansible" / "roles" / "vedette_agent" / "defaults" / "main.yml").read_text()
    )
    text = re.sub(r"\{\{ (\w+) \}\}", lambda match: str(defaults[match[1]]), copied)
    (tmp_path / "agent.toml").write_text(text)
    assert settings_file.load(tmp_path / "agent.toml").collector.enrol == "https://vedette.example.org:7444"


def _units(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _units(each)
    elif isinstance(value, list):
        for each in value:
            yield from _units(each)
    elif isinstance(value, str) and re.fullmatch(r"vedette-\S+\.(service|path)", value):
        yield value
