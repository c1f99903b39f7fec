"""What a host does not use takes no memory there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WATCH = "from agent import run; from agent.sensors import all_sensors; all_sensors()"
SHIP = "import agent.shipping.ship_process"
LARGE = {"cryptography.x509", "dataclasses", "difflib", "pkgutil"}
"""What would take a megabyte and more for itself and what it brings, all the time a host is watched."""


def modules_after(work: str) -> set[str]:
    code = f"{work}; import sys; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(said.stdout.split())


def test_the_libraries_of_the_lower_rungs_are_not_loaded_with_the_sensors() -> None:
    loaded = modules_after(WATCH)
    assert "agent.sensors.file" in loaded
    assert loaded.isdisjoint({"psutil", "watchdog", "requests", "ssl"} | LARGE)


def test_ship_loads_neither_sensors_nor_a_library_for_http() -> None:
    loaded = modules_after(SHIP)
    assert "agent.shipping.tls" in loaded
    assert loaded.isdisjoint(
        {"agent.sensors", "agent.kernel", "requests", "urllib3", "importlib.metadata"} | LARGE
    )


def test_all_that_ship_needs_to_look_up_a_name_is_loaded_before_it_gives_up_root() -> None:
    look_up = "import socket; socket.getaddrinfo('localhost', 1); 'localhost'.encode('idna')"
    assert modules_after(f"{SHIP}; import socket") == modules_after(f"{SHIP}; {look_up}")
