"""A folder of rules: what is parsed is kept by content, hidden and foreign files are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.errors import SettingsError
from collector.rule_sources import sigma_folder
from collector.rule_sources.sigma_folder import Folder

RULE = "title: {0}\nlogsource: {{product: linux, category: process_creation}}\n"
RULE += "detection: {{s: {{Image: '%a%'}}, condition: s}}\n"


def write(folder: Path, name: str, title: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(RULE.format(title))


def test_only_files_of_rules_are_read_at_any_depth(tmp_path: Path) -> None:
    for name in ("a.yml", "b/c/d.yaml", ".git/x.yml", "readme.md"):
        write(tmp_path, name, name)
    assert [file.path for file in Folder(tmp_path, {}).read()] == ["a.yml", "b/c/d.yaml"]


def test_what_was_parsed_is_kept_by_content_and_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "rules", "a.yml", "one")
    kept = tmp_path / "kept"
    first = Folder(tmp_path / "rules", {}, kept).read()
    with monkeypatch.context() as patched:
        patched.setattr(sigma_folder, "read", None)  # parsing again would fail
        assert Folder(tmp_path / "rules", {}, kept).read() == first
    write(tmp_path / "rules", "a.yml", "two")
    (file,) = Folder(tmp_path / "rules", {}, kept).read()
    assert file.documents[0].title == "two"
    assert Folder(tmp_path / "rules", {"a": ("x",)}, kept).read() == [file]
    kept.write_bytes(b"{broken")
    assert Folder(tmp_path / "rules", {}, kept).read() == [file]


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sigma_folder, "FILES", 1)
    write(tmp_path, "a.yml", "a")
    write(tmp_path, "b.yml", "b")
    with pytest.raises(SettingsError, match="2 files"):
        Folder(tmp_path, {}).read()


def test_a_file_that_is_too_long_is_a_fault_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "long.yml").write_bytes(b"#" * ((1 << 20) + 1))
    write(tmp_path, "a.yml", "a")
    found = Folder(tmp_path, {}).read()
    assert [file.fault is None for file in found] == [True, False]
