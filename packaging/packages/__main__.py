"""The command line of the build of packages: what `make packages` calls."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from runtime import cache
from runtime.errors import BuildFailed

from . import keyring, nfpm, pack, parts, repository, signing
from .nfpm import Release
from .product import PRODUCTS, ROOT, version


def main() -> int:
    """Make the packages; the exit code is 1 when a step fails."""
    options = _parser().parse_args()
    folder = cache.default()
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".packages-", dir=folder))
    out = options.out.absolute()
    try:
        release = Release(options.version, parts.this_machine().debian, options.sign_key)
        made: list[Path] = []
        for product in PRODUCTS:
            if options.only in {None, product.which}:
                made += pack.build(product, parts.built(product, folder), release, work, out)
        if release.key is not None:
            made += publish(made, release, options.next_key, (folder, work, out))
    except BuildFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for path in made:
        sys.stdout.write(f"{path} {path.stat().st_size / 1e6:.1f} MB\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m packages", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where the packages go (dist)")
    parser.add_argument("--version", default=version(), help="their version (that of pyproject.toml)")
    parser.add_argument("--only", choices=[one.which for one in PRODUCTS], help="one of the two")
    parser.add_argument("--sign-key", type=Path, help="file with the armoured secret key that signs")
    parser.add_argument("--next-key", type=Path, help="public key that will sign next, for the keyring")
    return parser


def publish(
    made: list[Path], release: Release, next_key: Path | None, places: tuple[Path, Path, Path]
) -> list[Path]:
    """Make the keyring package, which is returned, and the repositories out/apt and out/rpm.

    places are the cache, the folder to work in, and out.

    Raises:
        BuildFailed: a key cannot be used, or a tool failed.
    """
    folder, work, out = places
    with signing.keys() as ring:
        files = [file for file in (release.key, next_key) if file is not None]
        prints = [ring.add(file) for file in files]
        rings = keyring.build(nfpm.program(folder), ring, prints, release, (work, out))
        repository.apt([*made, *rings], out / "apt", ring, prints[0])
        repository.rpm([*made, *rings], out / "rpm", ring, prints[0])
    return rings


if __name__ == "__main__":
    sys.exit(main())
