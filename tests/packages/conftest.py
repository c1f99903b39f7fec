"""Machines for the tests that boot; they run only by the make target that asks for them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.packages.built import Packages, packages
from tests.packages.fleet import Fleet

OPTION, DEBS = "--boot", "--debs"
HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, action="store_true", help="boot systems and install packages in them")
    parser.addoption(DEBS, type=Path, metavar="FOLDER", help="packages to install, instead of making them")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave this folder to `make test-packages`; it fails where it cannot run, and skips nothing."""
    own = [item for item in items if item.path.parent == HERE]
    if not config.getoption(OPTION, default=False):
        items[:] = [item for item in items if item not in own]
        config.hook.pytest_deselected(items=own)
        return
    lacking = [name for name in ("systemd-nspawn", "mmdebstrap", "ip") if shutil.which(name) is None]
    if own and (lacking or os.geteuid() != 0):
        reason = f"not installed: {', '.join(lacking)}" if lacking else "only root can boot systems"
        raise pytest.UsageError(f"{reason}; packaging/prerequisites.sh boot, as root, installs what it needs")
    for item in own:
        item.add_marker(pytest.mark.timeout(900))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Print both journals under a test that failed."""
    report: pytest.TestReport = yield
    fleet = getattr(item, "funcargs", {}).get("fleet")
    if report.failed and isinstance(fleet, Fleet):
        for one in (fleet.host, fleet.collector):
            report.sections.append((f"journal of {one.name}", one.journal("-u", "vedette-*")))
    return report


@pytest.fixture(scope="session")
def debs(pytestconfig: pytest.Config) -> Packages:
    """The packages to install."""
    return packages(pytestconfig.getoption(DEBS, default=None))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder on a disk: what a booted system writes."""
    with tempfile.TemporaryDirectory(
        prefix="vedette-boot-", dir="/var/tmp", ignore_cleanup_errors=True
    ) as name:
        Path(name).chmod(0o755)
        yield Path(name)
