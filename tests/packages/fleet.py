"""A host and its collector, each a booted system, and the questions an analyst asks there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.packages.container import Container
from tests.packages.network import COLLECTOR_ADDRESS, linked

UNITS = ("vedette-ship.service", "vedette-watch.service")
STATE = "/var/lib/vedette"
SETTINGS = f"""# this host's own line
scope = "namespace"
[collector]
ingest = "https://{COLLECTOR_ADDRESS}:7443"
enrol = "https://{COLLECTOR_ADDRESS}:7444"
"""
"""A container shares its kernel with this machine: its agent sees its own namespaces alone."""


@dataclass
class Fleet:
    """One host with an agent, and the collector it reports to."""

    host: Container
    collector: Container

    def set_up_collector(self) -> None:
        """Set the collector up, start it, and log an analyst in on its machine."""
        inside = self.collector
        inside.shell("umask 077; echo 'a long enough password' > /root/password")
        inside.run(
            *("vedette-collector", "setup", "--name", COLLECTOR_ADDRESS, "--password-file", "/root/password"),
            *("--ingest", "0.0.0.0:7443", "--console", "0.0.0.0:7444"),
        )
        inside.run("systemctl", "enable", "--now", "vedette-collector.service")
        inside.run(
            *("vedette", "login", "--url", "https://127.0.0.1:7444", "--user", "admin"),
            *("--ca", "/var/lib/vedette-collector/ca/anchors.pem", "--password-file", "/root/password"),
        )

    def enrol(self) -> str:
        """Give the host settings and an identity by a token file; return its agent id."""
        token = self.collector.run("vedette-collector", "token", "create").splitlines()[0]
        self.host.run("sh", "-ec", "umask 077; cat > /root/token", stdin=token)
        self.host.run("sh", "-ec", "mkdir -p /etc/vedette; cat > /etc/vedette/agent.toml", stdin=SETTINGS)
        done = self.host.run("vedette-agent", "enroll", "--json", "--token-file", "/root/token")
        self.host.run("systemctl", "start", *UNITS)
        agent: str = json.loads(done)["agent"]
        return agent

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of an analyst's query."""
        done = self.collector.run("vedette", "sql", "--json", sql)
        return [json.loads(line) for line in done.splitlines()]

    def wait_for(self, what: str, sql: str, enough: Callable[[list[dict[str, Any]]], bool] = bool) -> Any:
        """Wait until a query's rows are enough, and return them."""

        def look() -> list[dict[str, Any]] | None:
            found = self.rows(sql)
            return found if enough(found) else None

        return self.host.wait(what, look)

    def status(self) -> dict[str, Any]:
        """Return what the agent says of itself."""
        done = self.host.try_run("vedette-agent", "status", "--json")
        found: dict[str, Any] = json.loads(done.stdout).get("watch", {})
        return found

    def is_active(self) -> bool:
        """Return whether both units run."""
        found = self.host.try_run("systemctl", "is-active", *UNITS).stdout.split()
        return found == ["active"] * len(UNITS)

    def pid(self, unit: str) -> int:
        """Return the process of a unit."""
        return int(self.host.run("systemctl", "show", "--property=MainPID", "--value", unit))


@contextmanager
def booted(
    bases: Mapping[str, Path], folder: Path, install: Callable[[Container], None], binds: Mapping[Path, str]
) -> Iterator[Fleet]:
    """Boot a host and a collector after install has put its files into both; stop them at the end."""
    with linked(folder.name[-4:]) as link:
        host = Container("host-1", bases["host-1"], folder / "host", link.host_path, binds)
        collector = Container(
            "collector-1", bases["collector-1"], folder / "collector", link.collector_path, binds
        )
        try:
            for one in (collector, host):
                one.prepare()
                install(one)
                one.boot()
            link.up()
            yield Fleet(host, collector)
        finally:
            host.stop()
            collector.stop()
