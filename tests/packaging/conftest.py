"""Packages of this machine's own Python instead of the bundled one: quick to make, and by the same code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from packages import nfpm, pack
from packages.nfpm import Release
from packages.parts import Parts
from packages.product import AGENT, COLLECTOR, Product
from runtime import cache
from runtime.errors import BuildFailed

from tests.packages import stand_in as stand_in_parts

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture(scope="session")
def writer() -> Path:
    """Return nfpm."""
    try:
        return nfpm.program(cache.default())
    except BuildFailed as error:
        pytest.skip(f"nfpm is not to be had: {error!s:.200}")


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory, writer: Path) -> Parts:
    """Return parts made of this machine: a virtual environment, with a path file to the libraries."""
    return stand_in_parts.make(tmp_path_factory.mktemp("parts"), writer, Path(sys.executable))


Build = Callable[[Product, Release], dict[str, Path]]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory, stand_in: Parts) -> Build:
    """Return a function that makes a product's packages: by the ending of their names, "deb" and "rpm"."""

    def made(product: Product, release: Release) -> dict[str, Path]:
        folder = tmp_path_factory.mktemp(product.name)
        found = pack.build(product, stand_in, release, folder / "work", folder / "out")
        return {path.suffix[1:]: path for path in found}

    return made


@pytest.fixture(scope="session")
def agent(build: Build) -> dict[str, Path]:
    """Return the agent's packages."""
    return build(AGENT, Release("1.2.3", "amd64"))


@pytest.fixture(scope="session")
def collector(build: Build) -> dict[str, Path]:
    """Return the collector's packages."""
    return build(COLLECTOR, Release("1.2.3", "amd64"))
