"""A collector as its operator runs it: through its commands alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
PATIENCE = 60.0
"""Seconds after which a thing that was waited for is taken not to come."""


class CollectorAtWork:
    """A state folder in root, its configuration, and the server's process once it serves."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "state"
        self.config = root / "collector.toml"
        self.config.write_text(
            f'state = "{self.state}"\norigin = "test.local/log"\n'
            "[ingest.listen]\nport = 0\n[console.listen]\nport = 0\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *words: str, code: int = 0) -> str:
        """Run a command, check its exit code, and return its stdout."""
        done = subprocess.run(
            [sys.executable, "-m", "collector.cli", *words, "--config", str(self.config)],
            env=ENVIRONMENT,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stderr

    def serve(self) -> None:
        """Start the server and wait until all its parts serve."""
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "collector.cli", "serve", "--config", str(self.config)],
                env=ENVIRONMENT,
                cwd="/",
                stdout=log,
                stderr=log,
            )
        self.wait_until_ready()

    def wait_until_ready(self, without: int | None = None) -> dict[str, int]:
        """Return the processes' ids once all serve; without names one that must be gone by then."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            assert self.process is not None
            assert self.process.poll() is None, self.log()
            found = self.read("processes.json")
            if found and found["ready"] and without not in found["processes"].values():
                processes: dict[str, int] = found["processes"]
                return processes
            time.sleep(0.05)
        raise AssertionError(f"the collector is not ready:\n{self.log()}")

    def read(self, name: str) -> Any:
        """Return a file of the run folder, None if it is not there."""
        try:
            return json.loads((self.state / "run" / name).read_bytes())
        except FileNotFoundError:
            return None

    def port(self, listener: str) -> int:
        port: int = self.read("listeners.json")[listener]["port"]
        return port

    def log(self) -> str:
        return (self.root / "log").read_text()

    def stop(self) -> int:
        """Ask the server to end, and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self.process = None
        return code

    def close(self) -> None:
        """End what still runs."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE)
