"""The built runtime, as a package puts it together; `make test-runtime` builds it first."""

from __future__ import annotations

import ctypes
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from runtime import bundle, cache, gate, interpreter, trim, wheels
from runtime.toolchain import toolchain
from runtime.wheels import Which

ROOT = Path(__file__).parents[2]
OURS: dict[Which, tuple[str, ...]] = {
    "agent": ("agent", "evidence"),
    "collector": ("collector", "evidence", "client", "range"),
}
IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path[:0] = [sys.argv[1]]
for name in sys.argv[2:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(len(sys.modules))
"""
USED = """
import bz2, ctypes, decimal, hashlib, json, lzma, sqlite3, ssl, zlib, zoneinfo
assert bz2.decompress(bz2.compress(b"x")) == lzma.decompress(lzma.compress(b"x")) == b"x"
assert hashlib.new("sha256", b"").hexdigest().startswith("e3b0c442")
assert sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,)
assert ssl.create_default_context().minimum_version >= ssl.TLSVersion.TLSv1_2
assert ctypes.CDLL(None).getpid()
print(ssl.OPENSSL_VERSION)
"""
pytestmark = pytest.mark.timeout(3600)  # a change of the recipes since the last build is built here


@pytest.fixture(scope="module")
def folder() -> Path:
    kept = cache.default()
    if not any(kept.glob("runtime-*")):
        pytest.skip(f"{kept} has no runtime: make runtime builds it")
    return kept


def moved(which: Which, folder: Path, to: Path) -> Path:
    """Return an interpreter with the site-packages of which, in a folder it was not built for."""
    shutil.copytree(bundle.runtime(folder) / "python", to / "python", symlinks=True)
    site = to / f"python/lib/python{interpreter.VERSION}/site-packages"
    shutil.copytree(bundle.site_packages(which, folder), site, dirs_exist_ok=True)
    return to / f"python/bin/python{interpreter.VERSION}"


def said(python: Path, code: str, *arguments: str) -> str:
    command = [str(python), "-I", "-W", "error::ImportWarning", "-c", code, *arguments]
    done = subprocess.run(command, cwd="/", env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def digests(tree: Path) -> dict[str, str]:
    return {
        str(path.relative_to(tree)): hashlib.sha256(path.read_bytes()).hexdigest() + oct(path.stat().st_mode)
        for path in sorted(tree.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("which", OURS)
def test_all_modules_import_from_any_folder(which: Which, folder: Path, tmp_path: Path) -> None:
    python = moved(which, folder, tmp_path / "elsewhere")
    assert int(said(python, IMPORT_ALL, str(ROOT), *OURS[which])) > 100


def test_the_agent_says_its_version(folder: Path, tmp_path: Path) -> None:
    python = moved("agent", folder, tmp_path)
    code = "import sys; sys.path[:0] = [sys.argv.pop()]; from agent.cli import main; main(['version'])"
    assert "0." in said(python, code, str(ROOT))


def test_the_libraries_inside_work(folder: Path, tmp_path: Path) -> None:
    assert said(moved("agent", folder, tmp_path), USED).startswith("OpenSSL 3.")


def test_nothing_asks_for_more_than_the_oldest_system_has(folder: Path) -> None:
    assert gate.check(bundle.runtime(folder)) > 20
    assert gate.check(bundle.site_packages("agent", folder)) > 3
    assert gate.check(bundle.site_packages("collector", folder)) > 20
    assert gate.check(bundle.libbpf(folder).parent) == 1


def test_the_agent_needs_glibc_and_libgcc_and_nothing_else(folder: Path) -> None:
    asked = set().union(
        *(
            gate.needed(part)
            for part in (
                bundle.runtime(folder),
                bundle.site_packages("agent", folder),
                bundle.libbpf(folder).parent,
            )
        )
    )
    glibc = {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1"}
    assert asked - glibc - {"ld-linux-x86-64.so.2"} <= {"libgcc_s.so.1"}


def test_libbpf_loads_and_says_its_version(folder: Path) -> None:
    library = ctypes.CDLL(str(bundle.libbpf(folder)))
    assert library.libbpf_major_version() == 1


def test_the_same_build_finishes_to_equal_bytes(folder: Path, tmp_path: Path) -> None:
    raw = interpreter.interpreter(folder, toolchain(folder)) / "python"
    bundle.finish_python(raw, tmp_path / "again")
    assert digests(tmp_path / "again") == digests(bundle.runtime(folder) / "python")


def test_the_same_lock_installs_to_equal_bytes(folder: Path, tmp_path: Path) -> None:
    wheels.install("agent", folder, tmp_path / "again")
    bundle.finish_site(tmp_path / "again", bundle.runtime(folder) / "python")
    assert digests(tmp_path / "again") == digests(bundle.site_packages("agent", folder))


@pytest.mark.parametrize("which", OURS)
def test_every_component_has_a_licence_and_its_text(which: Which, folder: Path) -> None:
    listed = bundle.bundled(which, folder)
    components = json.loads((listed / "components.json").read_text())
    named = {component["name"] for component in components}
    assert {"cpython", "openssl", "sqlite", "cryptography"} <= named
    assert ({"libbpf", "elfutils"} <= named) is (which == "agent")
    assert set(wheels.read_lock(wheels.lock_file(which).read_text())) <= named
    for component in components:
        assert component["licence"]
        assert component["version"]
        assert len(component["sha256"]) == 64
        assert component["licence_texts"], component["name"]
        assert any((listed / text).stat().st_size > 100 for text in component["licence_texts"])


def test_an_extension_of_duckdb_is_not_stripped_of_its_record(tmp_path: Path) -> None:
    whole = Path(sys.executable).read_bytes() + b"the record behind the file"
    extension, program = tmp_path / "lake.duckdb_extension", tmp_path / "program"
    extension.write_bytes(whole)
    program.write_bytes(whole)
    trim.strip(tmp_path)
    assert extension.read_bytes() == whole
    assert program.read_bytes() != whole
