"""How long the faults suite is: few rounds of kill -9 with all other tests, all by `make test-faults`."""

from __future__ import annotations

from pathlib import Path

import pytest

OPTION = "--faults-rounds"
FEW = 3
HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, type=int, default=FEW, metavar="N", help="rounds of kill -9 under load")


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


def wanted(config: pytest.Config) -> int:
    """Return how many rounds are wanted; the default also where this file was loaded too late to say so."""
    found: int = config.getoption(OPTION, default=FEW)
    return found
