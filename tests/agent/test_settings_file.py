"""Settings files: merging, and errors with file, line and key."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import settings_file
from agent.errors import SettingsError
from agent.settings import Settings


def _write(folder: Path, text: str, name: str = "agent.toml") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return folder / "agent.toml"


def test_no_file_means_defaults(tmp_path: Path) -> None:
    assert settings_file.load(tmp_path / "agent.toml") == Settings()


def test_a_drop_in_wins_key_by_key(tmp_path: Path) -> None:
    _write(tmp_path, "heartbeat = 5\n[file]\ntrees = ['/a', '/b']\nrung = 'x'\n")
    _write(tmp_path, "[file]\ntrees = ['/c']\n", "agent.d/10-x.toml")
    path = _write(tmp_path, "[file]\ntrees = ['/d']\n", "agent.d/20-y.toml")
    settings = settings_file.load(path)
    assert settings.file.trees == ("/d",)
    assert settings.file.rung == "x"
    assert settings.heartbeat == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n[file]\ntrees = 3", ":3: file.trees: expected array of strings, got int"),
        ("[file]\ntrees = ['a', 3]", ":2: file.trees: expected array of strings, got int"),
        ("[file]\n\ntres = ['a']", ":3: file.tres: unknown key; did you mean trees?"),
        ("state = 3", ":1: state: expected string, got int"),
        ("file = 3", ":1: file: expected table, got int"),
        ("[batch]\nmax_events = -3", ":2: batch.max_events: expected int >= 1"),
        ("batch.max_events = 'x'", ":1: batch.max_events: expected integer, got string"),
        ("[batch]\nbulk_age = []", ":2: batch.bulk_age: expected number, got array"),
        ("[nothing]\nx = 1", ":1: nothing: unknown key; known are state"),
        ("heartbeat = 0", ":1: heartbeat: expected float > 0"),
        ("[file", ": not valid TOML: "),
        ("dns.ports = 53", ":1: dns.ports: expected array of integers, got int"),
        ("[process.ignore]\nprograms = ['true']", ":1: process.ignore: true in programs is no absolute path"),
        ("[dns.ignore]\nuids = [[5, 4]]", ":1: dns.ignore: no uid lies in [5, 4]"),
        ("[dns.ignore]\nuids = [[0, 4]]", ":2: dns.ignore.uids: expected int >= 1"),
        ("[dns.ignore]\nuids = 7", ":2: dns.ignore.uids: expected array of pairs, got int"),
    ],
)
def test_an_error_names_file_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = _write(tmp_path, text, "agent.d/10-x.toml")
    with pytest.raises(SettingsError) as caught:
        settings_file.load(path)
    assert f"{tmp_path}/agent.d/10-x.toml{message}" in str(caught.value)


def test_a_required_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        settings_file.load(tmp_path / "agent.toml", required=True)


def test_digest_and_diff_follow_the_values() -> None:
    before, after = Settings(), Settings(heartbeat=5.0, spool=Settings().spool.__class__(max_bytes=7))
    assert settings_file.digest(before) == settings_file.digest(Settings())
    assert settings_file.digest(before) != settings_file.digest(after)
    changed = settings_file.diff(settings_file.effective(before), settings_file.effective(after))
    assert changed == ("heartbeat", "spool.max_bytes")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_give_settings_or_a_settings_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "agent.toml"
    path.write_bytes(raw)
    with contextlib.suppress(SettingsError):
        settings_file.load(path)
