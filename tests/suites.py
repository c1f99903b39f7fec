"""Run the test suites one after another, print the minutes of each, and fail if one failed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parent
PARALLEL = (
    "evidence",
    "agent",
    "collector",
    "client",
    "property",
    "contract",
    "golden",
    "packaging",
    "range",
)
ONE_BY_ONE = ("system",)
NO_TESTS = 5
SAME_EXAMPLES = "--hypothesis-profile=ci"
"""The examples of property tests are the same each time; `make fuzz` looks for new ones."""


def run(name: str, arguments: list[str]) -> bool:
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", *arguments]
    code = subprocess.run(command, cwd=TESTS.parent, check=False).returncode
    print(f"-- {name}: {(time.monotonic() - started) / 60:.1f} minutes, exit {code}", flush=True)
    return code in (0, NO_TESTS)


def main() -> int:
    folders = [str(TESTS / name) for name in PARALLEL if any((TESTS / name).glob("**/test_*.py"))]
    passed = [run("unit, property and contract tests", ["-n", "2", "-rs", SAME_EXAMPLES, *folders])]
    passed += [
        run(f"{name} tests", ["-rs", str(TESTS / name)])
        for name in ONE_BY_ONE
        if any((TESTS / name).glob("**/test_*.py"))
    ]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
