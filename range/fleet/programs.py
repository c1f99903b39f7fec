"""Programs by name: where they are, and their hash as the agent tells it."""

from __future__ import annotations

import functools
import hashlib

_ELSEWHERE = {
    "sshd": "/usr/sbin/sshd",
    "cron": "/usr/sbin/cron",
    "nginx": "/usr/sbin/nginx",
    "logrotate": "/usr/sbin/logrotate",
    "sftp-server": "/usr/lib/openssh/sftp-server",
    "git-remote-https": "/usr/lib/git-core/git-remote-https",
    "systemd": "/usr/lib/systemd/systemd",
    "node_exporter": "/usr/local/bin/node_exporter",
    "telemetry": "/opt/telemetry/bin/telemetry",
    "app-server": "/opt/app/bin/app-server",
    "aws": "/usr/local/bin/aws",
}


@functools.cache
def path(name: str) -> str:
    """Return the path of a program."""
    return _ELSEWHERE.get(name, f"/usr/bin/{name}")


@functools.cache
def sha256(exe: str) -> str:
    """Return the hash of a program's file."""
    return hashlib.sha256(exe.encode()).hexdigest()
