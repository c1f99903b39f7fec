"""A fleet of test hosts with one agent each, their collector, and an outside, all on a ground of their own.

The first process is the collector's host and the router: 10.77.0.0/24 is the fleet, 198.51.100.0/24 where
people live, 203.0.113.0/24 the rest of the world.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..scenario import ABROAD, BACKUP, HOSTS, HTTP, RAW, ROAMING, STRANGER, Scenario
from ..site import Site, stop
from . import people
from .host import Host, HostFailed, clean_environment

OUTSIDE = "outside"
_COLLECTOR = "10.77.0.1"
_INGEST, _CONSOLE = 7443, 7444
_READY_SECONDS = 60.0
_NETWORK = (
    "ip link set lo up",
    "ip link add fleet type bridge",
    f"ip addr add {_COLLECTOR}/24 dev fleet",
    "ip link set fleet up",
    "ip link add world type bridge",
    f"ip addr add {people.HOME_NETWORK}.1/24 dev world",
    "ip addr add 203.0.113.1/24 dev world",
    "ip link set world up",
    "sysctl -qw net.ipv4.ip_forward=1",
)
_SETTINGS = """\
state = "{folder}/collector"
origin = "range.vedette/log"

[ingest.listen]
host = "{host}"
port = {ingest}

[console]
names = ["{host}"]

[console.listen]
host = "{host}"
port = {console}

[detection]
known_destinations = ["127.0.0.0/8", "::1/128", "10.77.0.0/24", "{backup}/32"]

[organisation]
folder = "{folder}/organisation.d"
"""
_AGENT = """\
scope = "namespace"
heartbeat = 5.0

[collector]
ingest = "https://{host}:{ingest}"
enrol = "https://{host}:{console}"

[file]
trees = ["/etc", "/usr/local/bin", "/usr/local/sbin", "/root/.ssh", "/var/spool/cron", "/home"]
"""


class Fleet:
    """The hosts by name, the outside, and the collector with its analyst's commands.

    organisation is what its operator tells it, as TOML; docs/organisation.md has the form.
    """

    def __init__(self, folder: Path, organisation: str = "", hosts: Sequence[str] = HOSTS) -> None:
        self.folder = folder
        self._organisation = organisation
        self.site = Site(folder)
        self.hosts = {name: Host(name, folder) for name in hosts}
        self.outside = Host(OUTSIDE, folder)
        self._agents: dict[str, subprocess.Popen[str]] = {}

    @contextmanager
    def running(self, scenarios: Sequence[Scenario]) -> Iterator[None]:
        """Start all of it, from the network to the readiness of the last agent, until the end of the block.

        Raises:
            HostFailed, CommandFailed: something did not start.
        """
        persons = [person for one in scenarios for person in one.people]
        self._link(len(persons))
        people.settle(persons, self.outside, self.hosts)
        people.serve([service for one in scenarios for service in one.services], self.outside, self.hosts)
        people.prepare([item for one in scenarios for item in one.prepared], self.hosts)
        self._listen()
        self._set_up_collector()
        with ExitStack() as running:
            running.enter_context(self.site.collecting())
            self._log_in()
            token = json.loads(self.site.collector("token", "create", "--uses", str(len(HOSTS)), "--json"))
            for host in self.hosts.values():
                self._enrol(host, token["token"])
            for host in self.hosts.values():
                self._start_agent(host)
            self._wait_for(tuple(self.hosts.values()))
            try:
                yield
            finally:
                for process in self._agents.values():
                    stop(process)

    def agent(self, host: Host, *words: str, stdin: str = "", accept: tuple[int, ...] = (0,)) -> str:
        """Run a `vedette-agent` verb on a host, as its root."""
        return host.run(_program("vedette-agent"), *words, stdin=stdin, accept=accept)

    def status(self, host: Host) -> dict[str, Any]:
        """Return what `vedette-agent status --json` says; empty where it cannot say anything yet."""
        try:
            said: dict[str, Any] = json.loads(self.agent(host, "status", "--json", accept=(0, 1)))
        except (HostFailed, json.JSONDecodeError):
            return {}
        return said

    def restore(self) -> None:
        """Start again the agents that somebody ended, and wait until every agent works."""
        ended = [self.hosts[name] for name, process in self._agents.items() if process.poll() is not None]
        for host in ended:
            self._start_agent(host)
        self._wait_for(tuple(ended))

    def receipts(self, folder: Path) -> list[Path]:
        """Ship what waits on every host, and return the files into which they export their receipts."""
        found = []
        for name, host in self.hosts.items():
            self.agent(host, "spool", "flush")
            path = folder / f"receipts-{name}.jsonl"
            path.write_text(self.agent(host, "receipts", "export", "--out", "/dev/stdout"))
            found.append(path)
        return found

    def _link(self, laptops: int) -> None:
        for step in _NETWORK:
            subprocess.run(step.split(), check=True)
        fleet = {f"10.77.0.{index + 11}": name for index, name in enumerate(self.hosts)}
        names = fleet | {_COLLECTOR: "collector", STRANGER: "stranger", BACKUP: "backup"}
        for (address, _), host in zip(fleet.items(), self.hosts.values(), strict=True):
            host.start(names)
            host.attach("fleet", (f"{address}/24",), _COLLECTOR)
        homes = [f"{people.home_address(index)}/24" for index in range(laptops)]
        self.outside.start(names)
        servers = [f"{address}/24" for address in (STRANGER, BACKUP, ROAMING, ABROAD)]
        self.outside.attach("world", (*servers, *homes), "203.0.113.1")

    def _listen(self) -> None:
        """Start the servers outside: HTTP and raw on both addresses, names at the one nobody knows."""
        self._serve("range.resolver", STRANGER)
        for address in (STRANGER, BACKUP):
            for port in (HTTP, RAW):
                words = ("range.receiver", address, str(port), f"/root/received-{address}-{port}")
                self._serve(*words, *(["raw"] if port == RAW else []))

    def _serve(self, module: str, *words: str) -> None:
        subprocess.Popen(
            self.outside.command(sys.executable, "-m", module, *words),
            env=clean_environment() | {"PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=subprocess.DEVNULL,
        )

    def _set_up_collector(self) -> None:
        settings = _SETTINGS.format(
            folder=self.folder, host=_COLLECTOR, ingest=_INGEST, console=_CONSOLE, backup=BACKUP
        )
        (self.folder / "collector.toml").write_text(settings)
        (self.folder / "organisation.d").mkdir()
        (self.folder / "organisation.d/range.toml").write_text(self._organisation)
        (self.folder / "password").write_text(secrets.token_urlsafe(12) + "\n")
        self.site.collector("setup", "--admin", "analyst", "--password-file", str(self.folder / "password"))

    def _log_in(self) -> None:
        self.site.vedette(
            "login", "--url", f"https://{_COLLECTOR}:{_CONSOLE}", "--user", "analyst",
            "--ca", str(self.folder / "collector/ca/ca.pem"),
            "--password-file", str(self.folder / "password"),
        )  # fmt: skip

    def _enrol(self, host: Host, token: str) -> None:
        settings = _AGENT.format(host=_COLLECTOR, ingest=_INGEST, console=_CONSOLE)
        host.write("/etc/vedette/agent.toml", settings)
        self.agent(host, "enroll", stdin=token + "\n")

    def _start_agent(self, host: Host) -> None:
        with (self.folder / f"agent-{host.name}.log").open("a") as log:
            self._agents[host.name] = subprocess.Popen(
                host.command(_program("vedette-agent"), "run"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=clean_environment(),
                text=True,
                start_new_session=True,
            )

    def _wait_for(self, hosts: Sequence[Host]) -> None:
        """Wait until the sensors of hosts work and a first batch of each was acknowledged."""
        deadline = time.monotonic() + _READY_SECONDS
        for host in hosts:
            while not _is_ready(self.status(host)):
                if self._agents[host.name].poll() is not None or time.monotonic() > deadline:
                    words = (self.folder / f"agent-{host.name}.log").read_text()[-2000:]
                    raise HostFailed(f"the agent of {host.name} did not get ready; it said:\n{words}")
                time.sleep(0.2)


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _is_ready(status: dict[str, Any]) -> bool:
    watch = status.get("watch") or {}
    return bool(watch.get("sensors")) and watch.get("last_receipt") is not None
