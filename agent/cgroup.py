"""Container id and systemd unit from a process's cgroup path, cgroup v1, v2 and hybrid. Pure.

Path forms: docs.docker.com (cgroup drivers cgroupfs and systemd), kubelet's QoS slices, libpod, CRI-O,
systemd.resource-control(5) and systemd-nspawn(1).
"""

from __future__ import annotations

import re

import msgspec

_CONTROLLERS = ("name=systemd", "pids", "cpu,cpuacct", "memory")
_ID = r"(?P<id>[0-9a-f]{64}|[0-9a-f]{32})"
_SCOPED = re.compile(
    rf"(?P<runtime>docker|cri-containerd|nerdctl|crio|libpod|containerd)-(?:conmon-)?{_ID}\.scope$"
)
_TRAILING = re.compile(rf"{_ID}$")
_NSPAWN = re.compile(r"(?:machine-(?P<scope>.+)\.scope|systemd-nspawn@(?P<service>.+)\.service)$")
_LXC = re.compile(r"(?:lxc\.payload[./]|lxc/)(?P<name>[^/]+)")
_UNIT = re.compile(r".+\.(?:service|scope|socket|timer|mount|swap)$")
_RUNTIMES = {"cri-containerd": "containerd", "nerdctl": "containerd", "crio": "cri-o", "libpod": "podman"}
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")


class Place(msgspec.Struct, frozen=True):
    """Where a process runs: container as ``runtime:id`` and the innermost systemd unit, None if neither."""

    container: str | None = None
    unit: str | None = None


def path_of(text: str) -> str | None:
    """Return the path that tells most in a /proc/PID/cgroup text: v2's unless only v1's has one."""
    paths: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, separator, path = rest.partition(":")
        if separator:
            paths[controllers] = path
    unified = paths.get("")
    if unified is not None and unified != "/":
        return unified
    for name in _CONTROLLERS:
        if paths.get(name, "/") != "/":
            return paths[name]
    longest = max(paths.values(), key=len, default=None)
    return longest if longest is not None else unified


def place(path: str) -> Place:
    """Return where a process with this cgroup path runs; the innermost container and unit win."""
    parts = [part for part in path.split("/") if part]
    container = None
    unit = None
    for at, part in enumerate(parts):
        found = _container(part, parts[at - 1] if at else "")
        if found is not None:
            container, unit = found, None
        elif _UNIT.match(part) and not part.startswith(("init.scope", "crio-conmon-", "libpod-conmon-")):
            unit = _unescape(part)
    lxc = _LXC.search(path)
    if container is None and lxc is not None:
        container = f"lxc:{lxc['name']}"
    return Place(container, unit)


def _container(part: str, parent: str) -> str | None:
    """Return ``runtime:id`` when part names a container's cgroup."""
    nspawn = _NSPAWN.match(part)
    if nspawn:
        return f"nspawn:{_unescape(nspawn['scope'] or nspawn['service'])}"
    scoped = _SCOPED.match(part)
    if scoped and "-conmon-" not in part:
        return f"{_RUNTIMES.get(scoped['runtime'], scoped['runtime'])}:{scoped['id']}"
    if part.startswith(("crio-", "libpod-", "libpod_")) or _bare(part):
        match = _TRAILING.search(part)
        if match and "conmon" not in part:
            return f"{_runtime(part, parent)}:{match['id']}"
    return None


def _bare(part: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{64}", part) is not None


def _runtime(part: str, parent: str) -> str:
    if part.startswith("crio-"):
        return "cri-o"
    if part.startswith("libpod") or parent.startswith("libpod"):
        return "podman"
    if parent == "docker":
        return "docker"
    return (
        "containerd" if parent.startswith(("pod", "kubepods", "default", "k8s.io", "system.slice")) else "oci"
    )


def _unescape(name: str) -> str:
    r"""Undo systemd's \xNN escapes."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), name)
