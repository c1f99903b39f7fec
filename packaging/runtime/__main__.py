"""The command line of the build: makes the parts and says where they are, or writes the lock files anew."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

from . import bundle, cache, gate, training, wheels
from .errors import BuildFailed


def main() -> int:
    """Run one verb; the exit code is 1 when a step fails."""
    parser = argparse.ArgumentParser(prog="python -m runtime", description=__doc__)
    parser.add_argument(
        "verb",
        choices=["build", "lock", "profile"],
        help="build: all parts; lock: packaging/wheels-*.lock; profile: what CPython is compiled by",
    )
    verb = parser.parse_args().verb
    folder = cache.default()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if verb == "lock":
            for which in get_args(wheels.Which):
                wheels.write_lock(which, folder)
        elif verb == "profile":
            training.renew(folder)
        else:
            _build(folder)
    except BuildFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _build(folder: Path) -> None:
    parts = {"runtime": bundle.runtime(folder), "libbpf": bundle.libbpf(folder).parent}
    for which in get_args(wheels.Which):
        parts[which] = bundle.site_packages(which, folder)
        parts[f"{which} components"] = bundle.bundled(which, folder)
    for name, path in parts.items():
        size = sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())
        asks = " ".join(sorted(gate.needed(path)))
        sys.stdout.write(f"{name}: {path} {size / 1e6:.1f} MB; needs {asks or 'no library'}\n")


if __name__ == "__main__":
    sys.exit(main())
