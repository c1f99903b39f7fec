"""Install, upgrade, remove and purge in an overlay of this machine's root, where no systemd runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from packages.nfpm import Release
from packages.product import AGENT, PACKAGING, Product

Build = Callable[[Product, Release], dict[str, Path]]
SCRIPTS = sorted((PACKAGING / "scripts").iterdir())
_ROOT = """
set -e
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir upper work root packages
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount --bind packages root/mnt
mount -t proc proc root/proc
mount --rbind /dev root/dev
for package in $2; do cp "$package" packages; done
rm -rf root/var/lib/vedette root/etc/vedette
exec sh -ec "$3"
"""
"""A root with all the tools of this machine, of which nothing stays; packages are in /mnt."""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_posix_shell(script: Path) -> None:
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    if shutil.which("shellcheck"):
        done = subprocess.run(
            ["shellcheck", "--shell=sh", script], capture_output=True, text=True, check=False
        )
        assert done.stdout == ""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_leave_the_administrators_units_alone(script: Path) -> None:
    assert "/etc/systemd" not in script.read_text()


@pytest.fixture(scope="module")
def newer(build: Build) -> dict[str, Path]:
    return build(AGENT, Release("1.2.4", "amd64"))


Act = Callable[[str], str]


@pytest.fixture
def act(agent: dict[str, Path], newer: dict[str, Path], collector: dict[str, Path], tmp_path: Path) -> Act:
    """Return a function that runs a shell script beside a fresh root; its output, or an AssertionError."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount an overlay")
    packages = " ".join(str(path) for one in (agent, newer, collector) for path in one.values())

    def run(script: str) -> str:
        done = subprocess.run(
            [
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                _ROOT,
                "sh",
                tmp_path,
                packages,
                script,
            ],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
        )
        if "wrong fs type" in done.stderr and "overlay" in done.stderr:
            pytest.skip("the kernel makes no overlay here")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


DPKG = 'dpkg() { chroot root dpkg --force-depends --force-confold "$@" >&2; }\n'


@pytest.mark.root
def test_a_deb_is_installed_without_a_token_and_gives_folders_to_their_users(act: Act) -> None:
    said = act(
        DPKG
        + """
        dpkg -i /mnt/vedette-agent_1.2.3-1_amd64.deb
        chroot root stat -c '%n %a %U:%G' /etc/vedette /etc/vedette/agent.d /etc/vedette/agent.toml
        for user in watch ship; do chroot root id -Gn vedette-$user | xargs -n1 | sort | xargs; done
        chroot root vedette-agent --version
        chroot root stat -c '%n %a %U:%G' /var/lib/vedette/watch /var/lib/vedette/spool/in
        """
    )
    lines = said.splitlines()
    assert lines[:3] == [
        "/etc/vedette 750 root:vedette",
        "/etc/vedette/agent.d 2750 root:vedette-ship",
        "/etc/vedette/agent.toml 640 root:vedette-ship",
    ]
    assert lines[3:5] == ["vedette vedette-ship vedette-watch", "vedette vedette-ship"]
    assert lines[6:] == [
        "/var/lib/vedette/watch 700 vedette-watch:vedette-watch",
        "/var/lib/vedette/spool/in 2770 vedette-watch:vedette-ship",
    ]


@pytest.mark.root
def test_what_cloud_init_wrote_before_can_be_read_by_the_agent(act: Act) -> None:
    said = act(
        DPKG
        + """
        mkdir -p root/etc/vedette/agent.d
        echo 'heartbeat = 30.0' >root/etc/vedette/agent.d/10-collector.toml
        chmod 0640 root/etc/vedette/agent.d/10-collector.toml
        echo token >root/etc/vedette/token
        chmod 0600 root/etc/vedette/token
        dpkg -i /mnt/vedette-agent_1.2.3-1_amd64.deb
        chroot root su -s /bin/sh vedette-watch -c 'cat /etc/vedette/agent.d/10-collector.toml'
        chroot root su -s /bin/sh vedette-ship -c 'cat /etc/vedette/token' || echo closed
        """
    )
    assert said.splitlines() == ["heartbeat = 30.0", "closed"]


@pytest.mark.root
def test_an_upgrade_and_a_downgrade_keep_identity_and_edited_settings(act: Act) -> None:
    said = act(
        DPKG
        + """
        dpkg -i /mnt/vedette-agent_1.2.3-1_amd64.deb
        echo '# mine' >>root/etc/vedette/agent.toml
        chroot root chgrp users /etc/vedette/agent.toml
        echo identity >root/var/lib/vedette/watch/identity.json
        for version in 1.2.4 1.2.3; do
            dpkg -i /mnt/vedette-agent_$version-1_amd64.deb
            chroot root dpkg-query -W -f '${Version}\\n' vedette-agent
            tail -n 1 root/etc/vedette/agent.toml
            chroot root stat -c %G /etc/vedette/agent.toml
            cat root/var/lib/vedette/watch/identity.json
        done
        """
    )
    kept = ["# mine", "users", "identity"]
    assert said.splitlines() == ["1.2.4-1", *kept, "1.2.3-1", *kept]


@pytest.mark.root
def test_remove_keeps_identity_and_spool_and_purge_erases_them(act: Act) -> None:
    said = act(
        DPKG
        + """
        dpkg -i /mnt/vedette-agent_1.2.3-1_amd64.deb /mnt/vedette-collector_1.2.3-1_amd64.deb
        echo identity >root/var/lib/vedette/watch/identity.json
        echo ours >root/etc/vedette/collector.toml
        dpkg -r vedette-agent
        cat root/var/lib/vedette/watch/identity.json
        ls root/etc/vedette
        dpkg -P vedette-agent
        ls -d root/var/lib/vedette root/usr/lib/vedette/agent 2>/dev/null || echo gone
        cat root/etc/vedette/collector.toml
        mkdir -p root/var/lib/vedette-collector
        echo ledger >root/var/lib/vedette-collector/ledger
        dpkg -P vedette-collector
        cat root/var/lib/vedette-collector/ledger
        ls -d root/etc/vedette root/usr/lib/vedette 2>/dev/null || echo gone
        find root/etc/systemd root/usr/lib/systemd -name 'vedette*'
        """
    )
    assert said.splitlines() == [
        "identity",
        "agent.toml",
        "collector.d",
        "collector.toml",
        "gone",
        "ours",
        "ledger",
        "gone",
    ]


RPM = """
rpm() { chroot root rpm --nodeps "$@" >&2; }
rm -rf root/var/lib/rpm root/usr/lib/sysimage/rpm
chroot root rpm --initdb
"""


@pytest.mark.root
@pytest.mark.skipif(shutil.which("rpm") is None, reason="rpm is not installed")
def test_an_rpm_is_installed_verified_upgraded_and_erased(act: Act) -> None:
    said = act(
        RPM
        + """
        rpm -i /mnt/vedette-agent-1.2.3-1.x86_64.rpm
        chroot root rpm -V --nodeps vedette-agent && echo verified
        chroot root stat -c '%n %a %U:%G' /etc/vedette/agent.d /etc/vedette/agent.toml /var/lib/vedette/watch
        echo '# mine' >>root/etc/vedette/agent.toml
        echo identity >root/var/lib/vedette/watch/identity.json
        for version in 1.2.4 1.2.3; do
            rpm -U --oldpackage /mnt/vedette-agent-$version-1.x86_64.rpm
            chroot root rpm -q vedette-agent
            tail -n 1 root/etc/vedette/agent.toml
        done
        rpm -e vedette-agent
        cat root/var/lib/vedette/watch/identity.json
        ls root/etc/vedette
        find root/usr/bin root/usr/lib -maxdepth 3 -name "vedette*"
        """
    )
    assert said.splitlines() == [
        "verified",
        "/etc/vedette/agent.d 2750 root:vedette-ship",
        "/etc/vedette/agent.toml 640 root:vedette-ship",
        "/var/lib/vedette/watch 700 vedette-watch:vedette-watch",
        "vedette-agent-1.2.4-1.x86_64",
        "# mine",
        "vedette-agent-1.2.3-1.x86_64",
        "# mine",
        "identity",
        "agent.toml.rpmsave",
    ]


@pytest.mark.root
@pytest.mark.skipif(shutil.which("rpm") is None, reason="rpm is not installed")
def test_agent_and_collector_share_their_folder_of_settings_on_rpm_too(act: Act) -> None:
    said = act(
        RPM
        + """
        rpm -i /mnt/vedette-agent-1.2.3-1.x86_64.rpm /mnt/vedette-collector-1.2.3-1.x86_64.rpm
        chroot root stat -c '%n %a %U:%G' /etc/vedette /etc/vedette/collector.d
        rpm -e vedette-agent
        ls root/etc/vedette
        """
    )
    assert said.splitlines() == [
        "/etc/vedette 750 root:vedette",
        "/etc/vedette/collector.d 2750 root:vedette-collector",
        "collector.d",
    ]
