"""What holds of every command: help, exit codes, and that no event steers the terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from client.cli import load, main, verbs
from tests.collector.api import lake

from .conftest import ROOT, Served, run


def test_every_module_is_a_command_with_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    expected = "alerts export login person search session show sql status timeline tree verify version"
    assert set(expected.split()) <= set(verbs())
    for verb in verbs():
        assert load(verb).verb == verb
        assert main([verb, "--help"]) == 0
        assert verb in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("search", "user:(a"), 2),
        (("search", "--limit", "0"), 2),
        (("show", "ffff"), 2),
        (("timeline",), 2),
        (("tree",), 2),
        (("sql", "DROP TABLE events"), 2),
        (("sql", "SELECT * FROM read_text('/etc/passwd')"), 2),
        (("export", "--format", "bundle", "--out", "-"), 2),
        (("alerts", "--severity", "urgent"), 2),
        (("nonsense",), 2),
        ((), 2),
        (("--help",), 0),
        (("search", "--fields"), 0),
        (("version",), 0),
    ],
)
def test_exit_codes(
    served: Served, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int
) -> None:
    known = words[:1] and words[0] in verbs()
    assert (run(served, *words) if known else main(list(words))) == code
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert (err if code else out) != ""


@pytest.mark.parametrize(
    "words",
    [
        ("alerts",),
        ("alerts", "--json"),
        ("show", "c0ffee"),
        ("incidents",),
        ("incidents", "--json"),
        ("suppress", "add", "--rule", "\x1b[2J", "--reason", "\x07", "--expires", "\x1b[2J"),
        ("search", "touch"),
        ("search", "touch", "--json"),
        ("timeline", "--person", "alice"),
        ("timeline", "--person", "alice", "--json"),
        ("person", "alice", "--evidence"),
        ("person", "alice", "--json"),
        ("session", "web-1", "7"),
        ("session", "web-1", "7", "--json"),
        ("tree", "--host", "web-1", "--pid", "1001"),
        ("tree", "--host", "web-1", "--pid", "1001", "--json"),
        ("sql", "SELECT cmd_line, body FROM events WHERE pid = 1004"),
        ("sql", "SELECT cmd_line, body FROM events WHERE pid = 1004", "--json"),
        ("sql", 'SELECT 1 AS "a\x1b[2J"'),
        ("show", "\x1b[2J"),
        ("search", "nofield\x1b[2J:1"),
    ],
)
def test_nothing_from_events_or_words_steers_the_terminal(
    served: Served, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    run(served, *words)
    out, err = capsys.readouterr()
    for character in "\x1b\x07\x9b\u202e":
        assert character not in out + err
    assert out + err != ""


def test_the_evil_name_is_shown_visibly(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(served, "timeline", "--person", "alice") == 0
    assert "touch \\x1b[2Jtmp\\x1b]0;owned\\x07\\u202egpj.exe" in capsys.readouterr().out


def test_json_still_means_the_exact_name(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(served, "search", "cmd_line:touch*", "--json") == 0
    assert json.loads(capsys.readouterr().out)["body"]["argv"] == ["touch", lake.EVIL]


def test_a_pipe_gets_no_colour_and_no_wrapping(served: Served) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "40", "TERM": "xterm-256color"}
    said = subprocess.run(
        [sys.executable, "-m", "client.cli", "alerts", "--config", str(served.folder)],
        capture_output=True,
        env=environment,
        cwd="/",
        check=True,
        timeout=60,
    )
    assert b"\x1b" not in said.stdout + said.stderr
    assert b"203.0.113.9:443" in said.stdout
