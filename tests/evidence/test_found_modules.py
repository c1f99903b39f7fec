"""Modules are found by being in a package's folder, as pkgutil finds them."""

from __future__ import annotations

import pkgutil
from pathlib import Path

import pytest

import agent.commands
import collector.sigma.views
import evidence.kinds
from evidence import found_modules


@pytest.mark.parametrize("package", [agent.commands, collector.sigma.views, evidence.kinds])
def test_what_lies_in_a_folder_is_found(package: object) -> None:
    folders = package.__path__  # type: ignore[attr-defined]  # a package has one
    names = found_modules.names(folders)
    assert names == sorted(module.name for module in pkgutil.iter_modules(folders))
    assert names


def test_nothing_else_is(tmp_path: Path) -> None:
    for name in ("one.py", "two.pyc", "__init__.py", "notes.txt", "libfoo.so", ".hidden"):
        (tmp_path / name).touch()
    for name in ("package", "empty", "__pycache__"):
        (tmp_path / name).mkdir()
    (tmp_path / "package" / "__init__.pyc").touch()
    (tmp_path / "__pycache__" / "one.cpython-313.pyc").touch()
    assert found_modules.names([str(tmp_path)]) == ["one", "package", "two"]
