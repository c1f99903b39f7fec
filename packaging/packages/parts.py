"""What a package bundles of others' work, as folders: made by runtime, or by a test."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

from runtime import bundle
from runtime.errors import BuildFailed
from runtime.interpreter import VERSION
from runtime.toolchain import ARCHITECTURES, Architecture

from . import nfpm
from .product import Product


@dataclass(frozen=True)
class Parts:
    """Folders and files that others made, ready to be laid out."""

    python: Path
    """A prefix that works wherever it is put, with bin/python<version>."""
    version: str
    """Of Python, as in the names of its folders: 3.13."""
    site: Path
    """What goes into site-packages beside our own modules."""
    libbpf: Path
    components: Path
    """components.json, and the licence texts that it names."""
    nfpm: Path
    """The program that writes deb and rpm."""


def this_machine() -> Architecture:
    """Return what packages are made for: the architecture of this machine, whose Python compiles modules.

    Raises:
        BuildFailed: it is none of those that we support.
    """
    machine = platform.machine()
    for architecture in ARCHITECTURES:
        if architecture.wheels == machine:
            return architecture
    raise BuildFailed(
        f"no packages are made on {machine}; use {' or '.join(a.wheels for a in ARCHITECTURES)}"
    )


def built(product: Product, cache: Path) -> Parts:
    """Return the parts of product for this machine's architecture, built where the cache lacks them.

    Raises:
        BuildFailed: a step of the build went wrong.
    """
    architecture = this_machine()
    return Parts(
        python=bundle.runtime(cache, architecture) / "python",
        version=VERSION,
        site=bundle.site_packages(product.which, cache, architecture),
        libbpf=bundle.libbpf(cache, architecture),
        components=bundle.bundled(product.which, cache, architecture),
        nfpm=nfpm.program(cache),
    )
