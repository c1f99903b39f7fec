from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

import pytest
from runtime import wheels
from runtime.wheels import Which

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
PYPROJECT = (ROOT / "pyproject.toml").read_text()
SIDES: tuple[Which, ...] = ("agent", "collector")
FOLDERS = {"agent": ("agent", "evidence"), "collector": ("collector", "evidence", "client")}
OTHER_NAME = {
    "ahocorasick": "pyahocorasick",
    "argon2": "argon2-cffi",
    "re2": "google-re2",
    "sigma": "pysigma",
}
OTHER_NAME["yaml"] = "pyyaml"
EXAMPLE = """
alpha==1.0 \\
    --hash=sha256:{a}
    # via vedette (pyproject.toml)
beta==2.0 ; python_full_version >= '3.12' \\
    --hash=sha256:{b} \\
    --hash=sha256:{c}
    # via
    #   alpha
    #   gamma
gamma==3.0 \\
    --hash=sha256:{c}
    # via tests
""".format(a="a" * 64, b="b" * 64, c="c" * 64)


def test_a_lock_is_read_with_its_hashes_and_reasons() -> None:
    pins = wheels.read_lock(EXAMPLE)
    assert list(pins) == ["alpha", "beta", "gamma"]
    assert pins["beta"].version == "2.0"
    assert pins["beta"].hashes == {"b" * 64, "c" * 64}
    assert pins["beta"].wanted_by == {"alpha", "gamma"}


def test_what_a_dependency_needs_comes_along_and_nothing_else() -> None:
    project = '[project]\ndependencies = ["alpha>=1"]\n[project.optional-dependencies]\nagent = []\n'
    assert [pin.name for pin in wheels.chosen("agent", project, EXAMPLE)] == ["alpha", "beta"]


@pytest.mark.parametrize("which", SIDES)
def test_the_lock_follows_pyproject_and_requirements(which: Which) -> None:
    written = wheels.read_lock(wheels.lock_file(which).read_text())
    expected = {pin.name: pin for pin in wheels.chosen(which, PYPROJECT, LOCK)}
    assert {name: pin.version for name, pin in written.items()} == {
        name: pin.version for name, pin in expected.items()
    }
    for name, pin in written.items():
        assert pin.hashes
        assert pin.hashes <= expected[name].hashes


@pytest.mark.parametrize("which", SIDES)
def test_all_that_a_package_imports_is_bundled(which: Which) -> None:
    imported = {
        top
        for folder in FOLDERS[which]
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for top in _tops(node)
    }
    ours = tomllib.loads(PYPROJECT)["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    foreign = {OTHER_NAME.get(top, top) for top in imported - set(sys.stdlib_module_names) - set(ours)}
    assert foreign <= wheels.read_lock(wheels.lock_file(which).read_text()).keys()


def _tops(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and not node.level:
        return {(node.module or "").split(".")[0]}
    return set()
