"""How long the long suites are: short with all other tests, in full by `make test-faults` and `test-soak`."""

from __future__ import annotations

from pathlib import Path

import pytest

OPTION = "--faults-rounds"
FEW = 3
SOAK = "--soak-seconds"
SHORT = 120.0
HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, type=int, default=FEW, metavar="N", help="rounds of kill -9 under load")
    parser.addoption(SOAK, type=float, default=SHORT, metavar="SECONDS", help="how long the churn lasts")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the slow tests of this folder to the make target that asks for more rounds."""
    if wanted(config) > FEW:
        return
    slow = [item for item in items if item.path.parent == HERE and item.get_closest_marker("slow")]
    items[:] = [item for item in items if item not in slow]
    config.hook.pytest_deselected(items=slow)


@pytest.fixture
def rounds(pytestconfig: pytest.Config) -> int:
    return wanted(pytestconfig)


@pytest.fixture
def soak_seconds(pytestconfig: pytest.Config) -> float:
    found: float = pytestconfig.getoption(SOAK, default=SHORT)
    return found


def wanted(config: pytest.Config) -> int:
    """Return how many rounds are wanted; the default also where this file was loaded too late to say so."""
    found: int = config.getoption(OPTION, default=FEW)
    return found
