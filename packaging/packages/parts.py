"""What a package bundles of others' work, as folders: made by runtime, or by a test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runtime import bundle
from runtime.interpreter import VERSION

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


def built(product: Product, cache: Path) -> Parts:
    """Return the parts of product, built where the cache lacks them.

    Raises:
        BuildFailed: a step of the build went wrong.
    """
    return Parts(
        python=bundle.runtime(cache) / "python",
        version=VERSION,
        site=bundle.site_packages(product.which, cache),
        libbpf=bundle.libbpf(cache),
        components=bundle.bundled(product.which, cache),
        nfpm=nfpm.program(cache),
    )
