"""Makes the deb and the rpm of a product from its parts: laid out, described, packed, held to its budget."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from . import completions, manpages, nfpm, notices, sbom, staging
from .errors import LayoutWrong, TooLarge
from .nfpm import Release
from .parts import Parts
from .product import PACKAGING, Product

_IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    for found in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
        importlib.import_module(found.name)
"""


def lay_out(product: Product, parts: Parts, release: Release, target: Path) -> None:
    """Fill target with all that the definition of product in nfpm/ names.

    Raises:
        LayoutWrong: a part is missing.
        TooLarge: what would be installed is beyond the product's budget.
    """
    staging.lay_out(product, parts, target)
    staging.settle(target / "lib")
    installed = size(target / "lib")
    if product.most_installed is not None and installed > product.most_installed:
        raise TooLarge(f"{product.name}: {installed:,} bytes installed, {product.most_installed:,} at most")
    manpages.write(product, target / "man")
    completions.write(product, target / "completions")
    notices.write(product.name, release.version, parts.components, target / "doc")
    bill = sbom.document(product.name, release.version, notices.components(parts.components))
    (target / "doc" / "sbom.cdx.json").write_bytes(bill)
    shutil.copytree(PACKAGING / "systemd", target / "units")
    for name in ("files", "scripts", "overrides"):
        shutil.copytree(PACKAGING / name, target / name)
    staging.settle(target)


def size(tree: Path) -> int:
    """Return the bytes of the files in tree."""
    return sum(path.lstat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink())


def build(product: Product, parts: Parts, release: Release, work: Path, out: Path) -> list[Path]:
    """Make the deb and the rpm of product in out, with work for what is laid out; return them.

    Raises:
        BuildFailed: a step went wrong.
        TooLarge: a package is beyond the product's budget.
    """
    staged = work / product.name
    lay_out(product, parts, release, staged)
    check_start(product, parts, staged)
    made = nfpm.pack(parts.nfpm, product.name, release, staged, out)
    for path in made:
        if product.most_packed is not None and path.stat().st_size > product.most_packed:
            raise TooLarge(f"{path.name}: {path.stat().st_size:,} bytes, {product.most_packed:,} at most")
    return made


def check_start(product: Product, parts: Parts, staged: Path) -> None:
    """Import every module of product with the interpreter and the libraries that are packed.

    Raises:
        LayoutWrong: one does not load: something was left out that it needs.
    """
    python = staged / "lib" / "python" / "bin" / f"python{parts.version}"
    done = subprocess.run(
        [python, "-I", "-B", "-c", _IMPORT_ALL, *product.own],
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LayoutWrong(f"{product.name}: not all modules load:\n{done.stderr}")
