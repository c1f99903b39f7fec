"""lintian and rpmlint find nothing that has no answer, and each answer has its reason."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packages.product import PACKAGING, PRODUCTS, Product

OVERRIDES = sorted((PACKAGING / "overrides").iterdir())
OF_THE_STAND_IN = (
    "symlink-should-be-relative",
    "dangling-symlink",
    "no-binary",
    "only-non-binary-in-usr-lib",
)
"""What only the Python of these tests has."""


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.which)
@pytest.mark.skipif(shutil.which("lintian") is None, reason="lintian is not installed")
def test_lintian_finds_nothing(product: Product, request: pytest.FixtureRequest) -> None:
    deb = request.getfixturevalue(product.which)["deb"]
    done = subprocess.run(["lintian", "--allow-root", deb], capture_output=True, text=True, check=False)
    assert [line for line in done.stdout.splitlines() if not line.startswith("N:")] == []


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.which)
@pytest.mark.skipif(shutil.which("rpmlint") is None, reason="rpmlint is not installed")
def test_rpmlint_finds_nothing(product: Product, request: pytest.FixtureRequest) -> None:
    rpm = request.getfixturevalue(product.which)["rpm"]
    done = subprocess.run(
        ["rpmlint", "--config", PACKAGING / "rpmlint.toml", rpm], capture_output=True, text=True, check=False
    )
    found = [line for line in done.stdout.splitlines() if ": W: " in line or ": E: " in line]
    assert [line for line in found if not any(name in line for name in OF_THE_STAND_IN)] == []


@pytest.mark.parametrize("file", OVERRIDES, ids=lambda path: path.name)
def test_each_override_has_its_reason(file: Path) -> None:
    before = ""
    for line in file.read_text().splitlines():
        assert line.startswith("#") or before.startswith("#"), line
        before = line


def test_each_filter_has_its_reason() -> None:
    lines = (PACKAGING / "rpmlint.toml").read_text().splitlines()
    begun = lines.index("Filters = [")
    assert lines[begun + 1].strip().startswith("#")
    assert tomllib.loads("\n".join(lines))["Filters"]
