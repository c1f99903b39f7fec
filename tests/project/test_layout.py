"""Imports point one way, and pure folders stay pure."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("agent", "collector", "evidence", "client", "range")
MAY_IMPORT = {
    "evidence": frozenset({"evidence"}),
    "agent": frozenset({"agent", "evidence"}),
    "collector": frozenset({"collector", "evidence"}),
    "client": frozenset({"client", "evidence", "range"}),
    "range": frozenset({"range", "evidence"}),
}
EVIDENCE_LIBRARIES = frozenset({"msgspec", "zstandard", "cryptography"})
PURE = (
    "evidence",
    "agent/decode",
    "agent/enrichments",
    "agent/governing",
    "agent/state_sources",
    "collector/alerts",
    "collector/attribution",
    "collector/chains",
    "collector/correlations",
    "collector/detections",
    "collector/measures",
    "collector/sigma",
)
MEMBERS = {"enrichments": "enrich", "state_sources": "state_source"}
"""Folders of members, each with the contract that finds them: one node."""
FINDS_MODULES = ROOT / "evidence" / "found_modules.py"
"""It lists folders of the code itself, as an import does."""
IMPURE_MODULES = frozenset(
    {"os", "io", "socket", "time", "random", "secrets", "subprocess", "pathlib", "shutil"}
)


def modules(folder: str) -> Iterator[Path]:
    return (path for path in sorted((ROOT / folder).rglob("*.py")) if ".venv" not in path.parts)


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (absolute dotted name, top-level name) of everything that path imports."""
    here = path.relative_to(ROOT).with_suffix("").parts
    package = here if path.name != "__init__.py" else (*here[:-1], "")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: -node.level]) if node.level else ""
            name = ".".join(part for part in (base, node.module or "") if part)
            for alias in node.names:
                yield f"{name}.{alias.name}", name.split(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_what_the_design_allows(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules(package)
        for name, top in imports(path)
        if top in PACKAGES and top not in MAY_IMPORT[package]
    ]
    assert wrong == []


def test_evidence_needs_three_libraries() -> None:
    allowed = EVIDENCE_LIBRARIES | sys.stdlib_module_names | {"evidence"}
    assert [name for path in modules("evidence") for name, top in imports(path) if top not in allowed] == []


def test_decoders_never_import_the_kernel_shells() -> None:
    wrong = [
        name
        for path in modules("agent/decode")
        for name, _ in imports(path)
        if name.startswith("agent.kernel")
    ]
    assert wrong == []


def test_imports_inside_agent_and_collector_are_relative() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for package in ("agent", "collector")
        for path in modules(package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and node.level == 0
        and (node.module or "").split(".")[0] == package
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", PURE)
def test_pure_folders_touch_nothing(folder: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: imports {name}"
        for path in modules(folder)
        if path != FINDS_MODULES
        for name, top in imports(path)
        if top in IMPURE_MODULES
    ]
    wrong += [
        f"{path.relative_to(ROOT)}:{node.lineno}: calls open()"
        for path in modules(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
    ]
    assert wrong == []


@pytest.mark.parametrize("side", ["agent", "collector"])
def test_folders_import_one_way(side: str) -> None:
    """Each folder is one node, each module beside them another; a circle of them raises."""
    names = {path.name.removesuffix(".py") for path in (ROOT / side).iterdir()} - set(MEMBERS)
    imported: dict[str, set[str]] = {name: set() for name in names}
    for path in modules(side):
        first = path.relative_to(ROOT / side).parts[0].removesuffix(".py")
        node = MEMBERS.get(first, first)
        parts = {name.split(".")[1] for name, top in imports(path) if top == side}
        imported[node] |= {MEMBERS.get(part, part) for part in parts} & names - {node}
    assert set(TopologicalSorter(imported).static_order()) == names


@pytest.mark.parametrize("side", ["agent", "collector"])
def test_only_run_knows_all_parts(side: str) -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in modules(side)
        if path.parent.name != "commands"
        for name, _ in imports(path)
        if name.startswith(f"{side}.run.") or name == f"{side}.run"
    ]
    assert wrong == []


def test_packaging_builds_the_product_and_imports_none_of_it() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules("packaging")
        for name, top in imports(path)
        if top in PACKAGES
    ]
    assert wrong == []


def test_each_module_says_what_it_does() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for package in (*PACKAGES, "packaging")
        for path in modules(package)
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []
