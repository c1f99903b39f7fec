"""How many rounds of kill -9 the faults suite plays: few by default, fifty by `make test-faults`."""

from __future__ import annotations

import pytest

OPTION = "--faults-rounds"
FEW = 3


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, type=int, default=FEW, metavar="N", help="rounds of kill -9 under load")


@pytest.fixture
def rounds(pytestconfig: pytest.Config) -> int:
    """Return how many rounds are wanted; the default also where this file was loaded too late to say so."""
    wanted: int = pytestconfig.getoption(OPTION, default=FEW)
    return wanted
