"""The examples for cloud-init, Terraform and Ansible, run by the real programs on a host that boots.

Each ends with a host that was installed from a repository, is enrolled and tells what happens there.
Terraform itself is not run: its template is rendered as `templatefile` does, which tests/packaging shows.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.packages import roots
from tests.packages.built import OLD, TREE, Packages
from tests.packages.container import Container
from tests.packages.fleet import Fleet, booted
from tests.packages.network import COLLECTOR_ADDRESS

_EXAMPLES = TREE / "packaging" / "examples"
_PROGRAMS = ("cloud-init", "ansible-core", "python3-apt")
_SEED = "/var/lib/cloud/seed/nocloud"
_CLOUD = """datasource_list: [NoCloud, None]
network: {config: disabled}
locale: C.UTF-8
"""
"""The host's network is made outside, and it knows no other locale."""
_SCOPE = 'scope = "namespace"\n'
"""A container shares its kernel with this machine: its agent sees its own namespaces alone."""
_PLAYBOOK = (
    *("ansible-playbook", "--inventory", "localhost,", "--connection", "local"),
    *("--extra-vars", "@/root/site.json", "/examples/ansible/site.yml"),
)
Prepare = Callable[[Container, str], None]
"""Puts into a host, before it boots, what a site's tool brings, a token for the collector among it."""


def _cloud_init(host: Container, token: str) -> None:
    example = (_EXAMPLES / "cloud-init" / "user-data.yaml").read_text()
    named = example.replace("vedette.example.org", COLLECTOR_ADDRESS)
    _seed(host, re.sub(r"\bvdt1\S+", token, named))


def _terraform(host: Container, token: str) -> None:
    template = (_EXAMPLES / "terraform" / "user-data.yaml.tftpl").read_text()
    _seed(host, template.replace("${collector}", COLLECTOR_ADDRESS).replace("${token}", token))


def _seed(host: Container, user_data: str) -> None:
    host.put(f"{_SEED}/user-data", user_data, 0o600)
    host.put(f"{_SEED}/meta-data", f"instance-id: {host.name}\n")
    host.put("/etc/cloud/cloud.cfg.d/99_test.cfg", _CLOUD)


def _ansible(host: Container, token: str) -> None:
    given = {"vedette_collector": COLLECTOR_ADDRESS, "vedette_token": token}
    host.put("/root/site.json", json.dumps(given), 0o600)
    host.put("/etc/cloud/cloud-init.disabled", "")


@pytest.fixture(scope="module", params=[_cloud_init, _terraform, _ansible], ids=lambda one: one.__name__[1:])
def fleet(request: pytest.FixtureRequest, folder: Path, debs: Packages) -> Iterator[Fleet]:
    """A host for which a tool has to do all, and a collector that gave it a token."""
    prepare: Prepare = request.param
    bases = {"host-1": roots.root("bookworm", _PROGRAMS), "collector-1": roots.root("bookworm")}
    binds = {debs.folder: "/packages", _EXAMPLES: "/examples"}
    started: list[Container] = []

    def install(container: Container) -> None:
        if not started:  # the collector, which is booted first
            started.append(container)
            return
        collector = Fleet(container, started[0])
        collector.collector.run("dpkg", "-i", debs.collector)
        collector.set_up_collector()
        token = collector.collector.run("vedette-collector", "token", "create").splitlines()[0]
        _offer(container, debs.folder / Path(debs.agent(OLD)).name)
        container.put("/etc/vedette/agent.d/20-scope.toml", _SCOPE)
        prepare(container, token)

    with booted(bases, folder / prepare.__name__, install, binds) as made:
        yield made


def _offer(host: Container, deb: Path) -> None:
    """Give the host a repository with the agent, the only one that it knows."""
    place = host.upper / "srv" / "repository"
    place.mkdir(parents=True)
    shutil.copyfile(deb, place / deb.name)
    index = subprocess.run(["apt-ftparchive", "packages", "."], cwd=place, capture_output=True, check=True)
    (place / "Packages").write_bytes(index.stdout)
    host.put("/etc/apt/sources.list", "deb [trusted=yes] file:/srv/repository ./\n")


def test_the_tool_installs_and_enrols(fleet: Fleet, request: pytest.FixtureRequest) -> None:
    if "ansible" in request.node.name:
        fleet.host.run("apt-get", "update")
        assert "failed=0" in fleet.host.run(*_PLAYBOOK)
    else:
        said = fleet.host.run("cloud-init", "status", "--wait", "--long")
        assert "status: done" in said, said
    fleet.host.wait("an agent at work", fleet.is_active)
    agent = fleet.host.wait("a status", fleet.status)["agent"]
    fleet.wait_for("its start", f"SELECT kind FROM events WHERE agent = '{agent}' AND kind = 'agent.start'")  # noqa: S608 - our own words


def test_the_token_is_gone_and_nothing_failed(fleet: Fleet) -> None:
    fleet.host.run("test", "-e", "/etc/vedette/token", code=1)
    assert fleet.host.run("systemctl", "list-units", "--failed", "--no-legend", "--plain", "vedette-*") == ""


def test_another_run_changes_nothing(fleet: Fleet, request: pytest.FixtureRequest) -> None:
    before = fleet.host.wait("a status", fleet.status)["agent"]
    if "ansible" in request.node.name:
        assert re.search(r"changed=0\s.*failed=0", fleet.host.run(*_PLAYBOOK))
    else:
        fleet.host.reboot()
        fleet.host.run("cloud-init", "status", "--wait")
        fleet.host.wait("an agent at work", fleet.is_active)
    assert fleet.host.wait("a status", fleet.status)["agent"] == before
