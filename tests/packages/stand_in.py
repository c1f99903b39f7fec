"""Parts of a package with this machine's own Python instead of the bundled one: quick, by the same code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from packages.parts import Parts

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
_ROW = {"name": "cpython", "version": "3.13.5", "licence": "PSF-2.0", "sha256": "0" * 64}
_ROWS = (
    {**_ROW, "licence_texts": ["LICENSE"], "origin": "source"},
    {
        **_ROW,
        "name": "msgspec",
        "version": "0.22.0",
        "licence": "BSD-3-Clause",
        "licence_texts": [],
        "origin": "wheel",
    },
)


def make(
    folder: Path, writer: Path, python: Path, *, libbpf: Path | None = None, elsewhere: str | None = None
) -> Parts:
    """Fill folder with a virtual environment of python and a path file to the libraries; writer is nfpm.

    Elsewhere is where the libraries lie on the host that installs the package.
    """
    subprocess.run([python, "-m", "venv", "--without-pip", folder / "python"], check=True)
    site = folder / "site"
    site.mkdir()
    places = (sysconfig.get_path("purelib"), *([elsewhere] if elsewhere else []))
    (site / "libraries.pth").write_text("".join(f"{place}\n" for place in places))
    if libbpf is None:
        (folder / "libbpf.so.1").write_bytes(b"no library")
    else:
        shutil.copyfile(libbpf, folder / "libbpf.so.1")
    (folder / "components.json").write_text(json.dumps(_ROWS))
    (folder / "LICENSE").write_text("Do what you like.\n")
    return Parts(folder / "python", VERSION, site, folder / "libbpf.so.1", folder, writer)
