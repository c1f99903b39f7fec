"""What a host does not use takes no memory there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = """
import sys
from agent import run
from agent.sensors import all_sensors
all_sensors()
print(*sys.modules)
"""


def test_the_libraries_of_the_lower_rungs_are_not_loaded_with_the_sensors() -> None:
    said = subprocess.run([sys.executable, "-c", LIST], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(said.stdout.split())
    assert "agent.sensors.file" in loaded
    assert loaded.isdisjoint({"psutil", "watchdog", "requests", "cryptography.x509"})
