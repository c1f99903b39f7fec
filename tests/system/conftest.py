"""A folder and an agent of a test's own; and how long the long suites are.

They are short with all other tests, in full by `make test-faults` and `test-soak`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.agent_at_work import Agent, agent_in

OPTION = "--faults-rounds"
FEW = 3
SLOW = "--slow"
SOAK = "--soak-seconds"
SHORT = 120.0
HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, type=int, default=FEW, metavar="N", help="rounds of kill -9 under load")
    parser.addoption(SLOW, action="store_true", help="also what a make target of its own runs")
    parser.addoption(SOAK, type=float, default=SHORT, metavar="SECONDS", help="how long the churn lasts")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the slow tests of this folder to the make target that asks for them."""
    if config.getoption(SLOW, default=False):
        return
    slow = [item for item in items if item.path.parent == HERE and item.get_closest_marker("slow")]
    items[:] = [item for item in items if item not in slow]
    config.hook.pytest_deselected(items=slow)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Give a folder that other users can pass through, as ship does.

    pytest's own do not do: each start of another pytest closes the folder above them again.
    """
    with tempfile.TemporaryDirectory(prefix="vedette-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    with agent_in(tmp_path) as made:
        yield made


@pytest.fixture
def rounds(pytestconfig: pytest.Config) -> int:
    found: int = pytestconfig.getoption(OPTION, default=FEW)
    return found


@pytest.fixture
def soak_seconds(pytestconfig: pytest.Config) -> float:
    found: float = pytestconfig.getoption(SOAK, default=SHORT)
    return found
