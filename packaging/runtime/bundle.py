"""What our packages take from here: interpreter, site-packages, libbpf, and the list of what is in them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from . import bytecode, cache, components, gate, interpreter, recipes, trim, wheels
from .sources import IN_LIBBPF, IN_PYTHON
from .toolchain import AMD64, Architecture, toolchain
from .wheels import Which

_WHEELS = "wheels.json"


def runtime(folder: Path, architecture: Architecture = AMD64) -> Path:
    """Return the folder that holds python/: a prefix that works wherever it is put.

    folder is the cache. python/bin/python3.13 is the interpreter; site-packages go to
    python/lib/python3.13/site-packages.

    Raises:
        BuildFailed: a step went wrong, or a binary needs more than the oldest supported system has.
    """
    raw = interpreter.interpreter(folder, toolchain(folder, architecture))

    def make(target: Path) -> None:
        finish_python(raw / "python", target / "python")

    code = cache.code("trim", "bytecode", "gate", "bundle")
    return cache.kept(folder, "runtime", [raw.name, *code], make)


def finish_python(raw: Path, target: Path) -> None:
    """Copy the interpreter at raw to target, trimmed, stripped and compiled.

    Raises:
        TooNew: a binary needs more than the oldest supported system has.
    """
    shutil.copytree(raw, target, symlinks=True)
    trim.remove(target, trim.PYTHON)
    trim.strip(target)
    bytecode.compile_tree(target / f"lib/python{interpreter.VERSION}", target)
    gate.check(target)


def site_packages(which: Which, folder: Path, architecture: Architecture = AMD64) -> Path:
    """Return a folder to be put as site-packages, with what the package's own modules import.

    Raises:
        BuildFailed: a step went wrong, or a binary needs more than the oldest supported system has.
    """
    return _site(which, folder, architecture) / "site-packages"


def _site(which: Which, folder: Path, architecture: Architecture) -> Path:
    python = runtime(folder) / "python"

    def make(target: Path) -> None:
        tree = target / "site-packages"
        hashes = wheels.install(which, folder, tree, architecture)
        (target / _WHEELS).write_text(json.dumps(hashes, indent=1, sort_keys=True))
        finish_site(tree, python)

    code = cache.code("trim", "bytecode", "gate", "bundle")
    inputs = [python.parent.name, *wheels.inputs(which, architecture), *code]
    return cache.kept(folder, f"site-{which}-{architecture.debian}", inputs, make)


def finish_site(tree: Path, python: Path) -> None:
    """Trim, strip and compile in place what pip installed into tree.

    Raises:
        TooNew: a binary needs more than the oldest supported system has.
    """
    trim.remove(tree, trim.SITE)
    trim.strip(tree)
    bytecode.compile_tree(tree, python)
    gate.check(tree)


def libbpf(folder: Path, architecture: Architecture = AMD64) -> Path:
    """Return the path of libbpf.so.1, with libelf and zlib inside.

    Raises:
        BuildFailed: a step went wrong, or it needs more than the oldest supported system has.
    """
    built = recipes.library("libbpf", folder, toolchain(folder, architecture))
    gate.check(built)
    return built / "libbpf.so.1"


def bundled(which: Which, folder: Path, architecture: Architecture = AMD64) -> Path:
    """Return a folder with components.json and licences/, for the SBOM and the third-party licences.

    components.json lists what the package bundles, each with name, version, licence (SPDX), licence_texts
    (paths relative to the folder), sha256 (of the source, or of the wheel) and origin ("source" or "wheel").

    Raises:
        BuildFailed: a step went wrong, or a component carries no licence text.
    """
    site = _site(which, folder, architecture)
    hashes: dict[str, str] = json.loads((site / _WHEELS).read_text())
    sources = {source.name: source for source in (*IN_PYTHON, *(IN_LIBBPF if which == "agent" else ()))}

    def make(target: Path) -> None:
        found = [
            *components.from_sources(tuple(sources.values()), folder, target),
            *components.from_wheels(site / "site-packages", hashes, target),
        ]
        components.write(found, target)

    inputs = [site.name, repr(sources), *cache.code("components", "bundle")]
    return cache.kept(folder, f"components-{which}", inputs, make)
