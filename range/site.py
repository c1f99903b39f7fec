"""A whole small site on this host: a collector, an agent that watches the machine, and an analyst's login.

It is driven through the three commands only, as an operator would, and everything it writes is in one folder.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BIN = Path(sys.executable).parent
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0

_COLLECTOR = """\
state = "{folder}/collector"
origin = "{origin}"

[ingest.listen]
port = {ingest}

[console.listen]
port = {console}

[detection]
known_destinations = [{known}]
"""
_AGENT = """\
state = "{folder}/agent"
runtime = "{folder}/agent-run"
heartbeat = 5.0

[collector]
ingest = "https://127.0.0.1:{ingest}"
enrol = "https://127.0.0.1:{console}"

[login]
logs = [{logs}]
wtmp = "{wtmp}"
btmp = "{btmp}"
syslog = "{syslog}"

[file]
trees = [{trees}]
sensitive = ["/etc/shadow", "/etc/gshadow", "/root/.ssh/id_*", "{homes}/*/.ssh/id_*"]
"""


class CommandFailed(RuntimeError):
    """A command ended with an exit code that was not expected; its words are in the message."""


@dataclass(frozen=True)
class Watched:
    """What this site's agent watches besides the machine itself: auth log, utmp files, homes and a tree."""

    logs: Path
    homes: Path
    trees: tuple[Path, ...]


class Site:
    """The commands of the product, with the settings of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "XDG_CONFIG_HOME": str(folder / "analyst"),
            "HOME": str(folder / "analyst"),
            "NO_COLOR": "1",
        }
        self.ports: dict[str, int] = {}

    def agent(self, *words: str, **options: Any) -> str:
        """Run a `vedette-agent` verb; options as for `call`."""
        return self.call("vedette-agent", *words, "--config", str(self.folder / "agent.toml"), **options)

    def collector(self, *words: str, **options: Any) -> str:
        """Run a `vedette-collector` verb; options as for `call`."""
        return self.call(
            "vedette-collector", *words, "--config", str(self.folder / "collector.toml"), **options
        )

    def vedette(self, *words: str, **options: Any) -> str:
        """Run a `vedette` verb as the analyst; options as for `call`."""
        return self.call("vedette", *words, **options)

    def call(self, command: str, *words: str, accept: tuple[int, ...] = (0,), stdin: str = "") -> str:
        """Run a command and return what it printed.

        Raises:
            CommandFailed: its exit code is not in accept.
        """
        done = subprocess.run(
            [str(_BIN / command), *words],
            input=stdin,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode not in accept:
            words_said = " ".join((command, *words))
            raise CommandFailed(f"`{words_said}` ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def start(self, command: str, *words: str) -> subprocess.Popen[str]:
        """Start a command that runs on; its output goes to a file of the folder."""
        config = "agent.toml" if command == "vedette-agent" else "collector.toml"
        with (self.folder / f"{command}.log").open("a") as log:
            return subprocess.Popen(
                [str(_BIN / command), *words, "--config", str(self.folder / config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                text=True,
            )

    def stream(self, command: str, *words: str) -> subprocess.Popen[str]:
        """Start a command that runs on, its output to be read as it comes."""
        return subprocess.Popen(
            [str(_BIN / command), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=self.environment,
            text=True,
        )

    def follow(self, command: str, *words: str) -> None:
        """Run a command in the foreground, its output on this terminal, until it ends or Ctrl-C."""
        subprocess.run([str(_BIN / command), *words], env=self.environment, check=False)

    def alerts(self) -> list[dict[str, Any]]:
        """Return every alert there is, as `vedette alerts --json` prints it."""
        return [json.loads(line) for line in self.vedette("alerts", "--json").splitlines()]

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Run the collector, from its readiness to the end of the block."""
        listeners = self.folder / "collector" / "run" / "listeners.json"
        listeners.unlink(missing_ok=True)
        process = self.start("vedette-collector", "serve")
        try:
            self._wait(process, "vedette-collector", listeners.exists)
            self.ports = {name: at["port"] for name, at in json.loads(listeners.read_text()).items()}
            yield
        finally:
            stop(process)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Run the agent, from its sensors' readiness to the end of the block."""
        process = self.start("vedette-agent", "run")
        try:
            self._wait(process, "vedette-agent", self._agent_is_ready)
            yield
        finally:
            stop(process)
            self.unpin()

    def unpin(self) -> None:
        """End what an agent that had to be killed left recording in the kernel.

        Raises:
            CommandFailed: it has not ended.
        """
        if not (self.folder / "agent.toml").exists():
            return  # without its settings the command would be about another agent
        end = time.monotonic() + _STOP_SECONDS
        while True:
            try:
                self.agent("unpin")
            except CommandFailed:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
            else:
                return

    def status(self) -> dict[str, Any]:
        """Return what `vedette-agent status --json` says; empty where it cannot say anything yet."""
        try:
            said: dict[str, Any] = json.loads(self.agent("status", "--json", accept=(0, 1)))
        except (CommandFailed, json.JSONDecodeError):
            return {}
        return said

    def _agent_is_ready(self) -> bool:
        """Return whether the sensors work and a first batch was acknowledged."""
        watch = self.status().get("watch") or {}
        return bool(watch.get("sensors")) and watch.get("last_receipt") is not None

    def _wait(self, process: subprocess.Popen[str], command: str, ready: Any) -> None:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            if ready():
                return
            if process.poll() is not None:
                break
            time.sleep(0.1)
        log = (self.folder / f"{command}.log").read_text()[-3000:]
        raise CommandFailed(f"{command} did not get ready; it said:\n{log}")


def stop(process: subprocess.Popen[str]) -> None:
    """End a command gently, then for certain."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running_site(folder: Path, watched: Watched, known: tuple[str, ...]) -> Iterator[Site]:
    """Set up a collector that knows the networks in known, enrol an agent, log an analyst in, and run all."""
    site = Site(folder)
    write_collector(site, known, {"ingest": 0, "console": 0})
    password = secrets.token_urlsafe(12)
    (folder / "password").write_text(password + "\n")
    site.collector("setup", "--admin", "analyst", "--password-file", str(folder / "password"))
    with site.collecting():
        write_collector(site, known, site.ports)
        write_agent(site, watched)
        token = json.loads(site.collector("token", "create", "--json"))["token"]
        site.agent("enroll", stdin=token + "\n")
        url = f"https://127.0.0.1:{site.ports['console']}"
        site.vedette(
            "login", "--url", url, "--user", "analyst", "--ca", str(folder / "collector/ca/ca.pem"),
            "--password-file", str(folder / "password"),
        )  # fmt: skip
        with site.watching():
            yield site


def write_collector(
    site: Site, known: tuple[str, ...], ports: dict[str, int], origin: str = "demo.vedette/log"
) -> None:
    """Write the collector's settings; origin is its ledger's name."""
    quoted = ", ".join(json.dumps(network) for network in known)
    (site.folder / "collector.toml").write_text(
        _COLLECTOR.format(
            folder=site.folder,
            origin=origin,
            known=quoted,
            ingest=ports["ingest"],
            console=ports["console"],
        )
    )


def write_agent(site: Site, watched: Watched) -> None:
    """Write the agent's settings."""
    logs = [str(watched.logs / "auth.log")]
    (site.folder / "agent.toml").write_text(
        _AGENT.format(
            folder=site.folder,
            ingest=site.ports["ingest"],
            console=site.ports["console"],
            logs=", ".join(json.dumps(log) for log in logs),
            wtmp=watched.logs / "wtmp",
            btmp=watched.logs / "btmp",
            syslog=watched.logs / "syslog.sock",
            homes=watched.homes,
            trees=", ".join(json.dumps(str(tree)) for tree in watched.trees),
        )
    )
