"""The commands about Sigma rules, which need no server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collector import cli

RULE = """
title: {title}
id: {id}
level: high
logsource: {{product: linux, {source}}}
detection:
    s: {detection}
    condition: s
{further}"""
EXEC = "category: process_creation"
IDS = [f"1111111{number}-1111-4111-8111-111111111111" for number in range(9)]


def folder(tmp_path: Path, **rules: tuple[str, str, str]) -> Path:
    for number, (name, (source, detection, further)) in enumerate(rules.items()):
        below = tmp_path / "rules" / "linux" / name
        below.mkdir(parents=True)
        text = RULE.format(title=name, id=IDS[number], source=source, detection=detection, further=further)
        (below / f"{name}.yml").write_text(text)
    return tmp_path / "rules"


def run(*words: object) -> int:
    return cli.main([str(word) for word in words])


def test_list_tells_what_feeds_a_rule_and_why_another_is_inactive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = folder(
        tmp_path,
        good=(EXEC, "{Image|endswith: /nmap, User: root}", ""),
        other=("service: auditd", "{type: SYSCALL, SYSCALL: splice}", ""),
    )
    (rules / "broken.yml").write_text("title: [")
    assert run("rules", "list", "--rules", rules, "--json") == 0
    found = {one["title"]: one for one in json.loads(capsys.readouterr().out)}
    good = found["good"]
    assert (good["state"], good["sensor"], good["kind"]) == ("active", "process", "process.exec")
    assert good["file"] == "linux/good/good.yml"
    assert good["witness"]["exe"].endswith("/nmap")
    assert good["witness"]["user"] == "root"
    assert found["other"]["state"] == found["broken.yml"]["state"] == "inactive"
    assert "SYSCALL" in found["other"]["reason"]
    assert run("rules", "list", "--rules", rules) == 0
    assert "1 active, 2 inactive" in capsys.readouterr().err


def test_a_rule_that_breaks_its_example_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hit = "examples: {hits: [{Image: /usr/bin/nmap}]}\n"
    rules = folder(tmp_path, kept=(EXEC, "{Image|endswith: /nmap}", hit))
    assert run("rules", "test", "--rules", rules) == 0
    assert "1 rules with 1 examples, 0 wrong" in capsys.readouterr().out
    rules = folder(tmp_path, kept2=(EXEC, "{Image|endswith: /zmap}", hit.replace("kept", "kept2")))
    assert run("rules", "test", "--rules", rules / "linux" / "kept2", "--json") == 1
    (result,) = json.loads(capsys.readouterr().out)
    assert result["wrong"] == "example 1 is a hit that it does not match"


def test_a_folder_that_is_not_there_is_a_fault_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("rules", "list", "--rules", tmp_path / "none") == 2
    assert "none: no folder of rules" in capsys.readouterr().err
    assert run("rules", "list", "--config", _settings(tmp_path)) == 2
    assert "--rules" in capsys.readouterr().err


def _settings(tmp_path: Path) -> Path:
    config = tmp_path / "collector.toml"
    config.write_text(f'state = "{tmp_path}/state"\n')
    return config


def test_explain_shows_each_part_of_a_condition(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    detection = "{Image|endswith: /nmap, User: root, CommandLine|re: '-s[ST]'}"
    rules = folder(tmp_path, scan=(EXEC, detection, ""))
    event = tmp_path / "event.json"
    event.write_text(
        '{"kind": "process.exec", "pid": 1, "exe": "/bin/nmap", "argv": ["nmap"], "user": "bob"}'
    )
    assert run("rules", "explain", IDS[0], event, "--rules", rules, "--json") == 1
    said = json.loads(capsys.readouterr().out)
    (view,) = said["views"]
    assert not said["matches"]
    assert [(part["asks"], part["holds"]) for part in view["parts"]] == [
        ("all of", False),
        ("Image ends with '/nmap'", True),
        ("User is 'root'", False),
        ("CommandLine matches /-s[ST]/", False),
    ]
    event.write_text('{"Image": "/bin/nmap", "User": "root", "CommandLine": "nmap -sS x"}')
    assert run("rules", "explain", IDS[0], event, "--rules", rules) == 0
    assert "+ User is 'root'   [root]" in capsys.readouterr().out
    event.write_text("[")
    assert run("rules", "explain", IDS[0], event, "--rules", rules) == 2
    assert run("rules", "explain", "none", event, "--rules", rules) == 2
