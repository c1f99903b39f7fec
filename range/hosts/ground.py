"""The ground the range stands on: namespaces that end, with all in them, when their first process ends.

Whatever happens to that process, also a `kill -9`, the kernel then kills every host, agent and collector of
the range and drops their mounts, links, routes and eBPF programs. Nothing needs to be cleaned up, and nothing
of the machine (interfaces, routes, files, mounts) is changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path("/media")
"""Where the range's own tmpfs is mounted, as only the range sees it."""
NAMESPACES = ("--mount", "--net", "--uts", "--ipc", "--pid")
_PROGRAMS = (
    "busybox",
    "curl",
    "ip",
    "nsenter",
    "rsyslogd",
    "runuser",
    "setpriv",
    "sftp",
    "sshd",
    "sudo",
    "unshare",
)
_MEMORY = "4g"
_OBJECTS = Path(__file__).resolve().parents[2] / "agent/kernel/bpf"
_NOBODY_YET = "4294967295"


def command(module: str, *words: str) -> list[str]:
    """Return the command that runs a module as the first process of a new ground.

    It dies with the process that starts it.
    """
    around = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        *NAMESPACES,
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
    return [*around, sys.executable, "-m", module, *words]


def refusal() -> str | None:
    """Return why test hosts cannot be made here; None where they can."""
    if os.geteuid() != 0:
        return "only root may make test hosts"
    seen = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
    missing = [name for name in _PROGRAMS if shutil.which(name, path=seen) is None]
    if missing:
        return f"test hosts need {', '.join(missing)}, which this machine does not have"
    if not list(_OBJECTS.glob("*.bpf.o")):
        return "the kernel objects are not built; `make bpf` builds them with clang"
    tried = subprocess.run(command("range.hosts.probe"), capture_output=True, text=True, check=False)
    said = tried.stderr.strip().splitlines() or ["no reason was given"]
    return None if tried.returncode == 0 else f"the kernel or the container makes no test hosts ({said[-1]})"


def prepare() -> Path:
    """Mount the range's tmpfs and return its folder.

    Raises:
        RuntimeError: this process is not the first of a ground.
        subprocess.CalledProcessError: the mount was refused.
    """
    if os.getpid() != 1:
        raise RuntimeError("this is no ground of a range: start it with `vedette range run`")
    options = f"mode=755,size={_MEMORY}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "range", str(FOLDER)], check=True)
    _forget_login()
    return FOLDER


def _forget_login() -> None:
    """Let the hosts' daemons be nobody's, as after a boot, though a person started the range."""
    login = Path("/proc/self/loginuid")
    if login.read_text() != _NOBODY_YET:
        login.write_text(_NOBODY_YET)
