"""The command line of the build of packages: what `make packages` calls."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from runtime import cache
from runtime.errors import BuildFailed

from . import pack, parts
from .nfpm import Release
from .product import PRODUCTS, ROOT, version


def main() -> int:
    """Make the packages; the exit code is 1 when a step fails."""
    parser = argparse.ArgumentParser(prog="python -m packages", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where the packages go (dist)")
    parser.add_argument("--version", default=version(), help="their version (that of pyproject.toml)")
    parser.add_argument("--only", choices=[one.which for one in PRODUCTS], help="one of the two")
    parser.add_argument("--sign-key", type=Path, help="file with the armoured secret key that signs")
    options = parser.parse_args()
    release = Release(options.version, key=options.sign_key)
    try:
        for product in PRODUCTS:
            if options.only in (None, product.which):
                _build(product.which, release, options.out.absolute())
    except BuildFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _build(which: str, release: Release, out: Path) -> None:
    product = next(one for one in PRODUCTS if one.which == which)
    folder = cache.default()
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{product.name}-", dir=folder))
    try:
        for made in pack.build(product, parts.built(product, folder), release, work, out):
            sys.stdout.write(f"{made} {made.stat().st_size / 1e6:.1f} MB\n")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
