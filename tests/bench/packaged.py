"""Runs a benchmark of the collector on the Python and the libraries that a package of it brings.

python -m tests.bench.packaged FILE.deb tests.bench.pipeline --sigma

The code is this checkout's; interpreter, msgspec, DuckDB and the others are those that would be installed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PYTHON = "usr/lib/vedette/collector/python/bin/python3"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, metavar="DEB", help="a package of the collector")
    parser.add_argument("module", help="what to run, with its own options after it")
    parser.add_argument("options", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vedette-package-", dir="/var/tmp") as name:
        unpacked = subprocess.run(["dpkg-deb", "-x", asked.package, name], check=False)
        python = Path(name, _PYTHON)
        if unpacked.returncode or not python.exists():
            raise SystemExit(f"{asked.package} is no Debian package of the collector")
        line = [python, "-m", asked.module, *asked.options]
        return subprocess.run(line, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
