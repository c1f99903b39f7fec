"""Counts anew which branches CPython takes: an instrumented build runs its makers' workload, and ours."""

from __future__ import annotations

import lzma
import tempfile
from pathlib import Path

from . import apt, interpreter, profile, shell, wheels
from .sources import CPYTHON
from .toolchain import FLAGS, toolchain

_ROOT = Path(__file__).parents[2]
_TESTS = ("-m", "test", "--pgo", "--timeout=600")
"""What CPython's makers train with: without it all that the agent does not do would count as cold."""
_REPLAY = ("-m", "tests.bench.replay", "--rounds", "12")
_WEIGHT = 100
"""Of one replay beside one run of the tests, so that the branches of ours are the hottest."""


def renew(folder: Path) -> Path:
    """Write packaging/runtime/cpython.profdata.xz; folder is the cache. Takes about five minutes.

    Compiled is with the machine's own clang, for the pinned compiler has no library that writes counts.

    Raises:
        BuildFailed: a step went wrong, or clang or its tools are missing.
    """
    shell.need({"clang": "clang", "llvm-profdata": "llvm"})
    libraries = interpreter.libraries(folder, toolchain(folder))
    with tempfile.TemporaryDirectory(prefix=".training-", dir=folder) as name:
        work = Path(name)
        source = work / "python"
        apt.unpack(CPYTHON, folder, source)
        compiler = {"CC": "clang -fprofile-instr-generate", "CXX": "clang++", "CFLAGS": FLAGS}
        unused = {"LLVM_PROFILE_FILE": str(work / "build-%m.profraw"), "LC_ALL": "C.UTF-8"}
        interpreter.build(source, libraries, {**compiler, **unused})
        wheels.install("agent", folder, work / "site")
        merged = [
            _counted(source / "python", words, work / kind, work / "site")
            for kind, words in (("tests", _TESTS), ("replay", _REPLAY))
        ]
        both = work / "both.profdata"
        weighted = [f"-weighted-input=1,{merged[0]}", f"-weighted-input={_WEIGHT},{merged[1]}"]
        shell.run(["llvm-profdata", "merge", "-sparse", *weighted, "-o", both], work)
        profile.KEPT.write_bytes(lzma.compress(both.read_bytes(), preset=9 | lzma.PRESET_EXTREME))
    return profile.KEPT


def _counted(python: Path, words: tuple[str, ...], folder: Path, site: Path) -> Path:
    """Return the counts of one run of python."""
    folder.mkdir()
    environment = {"LLVM_PROFILE_FILE": str(folder / "%m.profraw"), "PYTHONPATH": f"{site}:{_ROOT}"}
    shell.run([python, *words], _ROOT, environment)
    merged = folder.with_suffix(".profdata")
    shell.run(["llvm-profdata", "merge", "-sparse", *folder.glob("*.profraw"), "-o", merged], folder)
    return merged
