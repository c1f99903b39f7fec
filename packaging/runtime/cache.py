"""Outcomes of build steps, kept in folders named by the hash of all that went into them."""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

_HERE = Path(__file__).parent
_VARIABLE = "VEDETTE_BUILD_CACHE"


def default() -> Path:
    """Return the folder of VEDETTE_BUILD_CACHE, or build/ of the repository."""
    return Path(os.environ.get(_VARIABLE) or _HERE.parents[1] / "build").absolute()


def code(*names: str) -> list[str]:
    """Return what modules of this package say, comments and layout aside: a changed step is done again."""
    return [ast.dump(ast.parse((_HERE / f"{name}.py").read_text())) for name in names]


def kept(cache: Path, name: str, inputs: Iterable[str], make: Callable[[Path], None]) -> Path:
    """Return the folder that make fills, from the cache if the inputs are those of an earlier call.

    make gets an empty folder. It is moved in place when make returns, so that a step broken off leaves
    nothing behind that looks whole.
    """
    digest = hashlib.sha256("\0".join([name, *inputs]).encode()).hexdigest()[:16]
    target = cache / f"{name}-{digest}"
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache))
    try:
        outcome = work / "outcome"
        outcome.mkdir()
        make(outcome)
        if not target.is_dir():  # another build may have been quicker
            outcome.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target
