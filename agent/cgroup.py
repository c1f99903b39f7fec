"""Container, its runtime and pod, and the systemd unit, from a process's cgroup path: v1, v2, hybrid. Pure.

Path forms: docs.docker.com (cgroup drivers cgroupfs and systemd), kubelet's QoS slices under both drivers,
containerd's and CRI-O's `slice:prefix:name`, libpod, systemd.resource-control(5), systemd-nspawn(1), lxc(7).
A path says what its maker named it: who may make cgroups may also make one that looks like a container's.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

import msgspec

_CONTROLLERS = ("", "name=systemd", "pids", "cpu,cpuacct", "memory")
_LONGEST = 4096
"""Characters of a path that are looked at: PATH_MAX."""
_PARTS = 64

_HEX = r"[0-9a-f]{64}"
_NAMED = re.compile(
    rf"(?:.*:)?(?P<by>docker|cri-containerd|nerdctl|crio|libpod|containerd|buildkit)"
    rf"(?:-payload)?[-:](?P<id>{_HEX})(?:\.scope)?"
)
_PLAIN = re.compile(rf"(?P<id>{_HEX}|[0-9a-f]{{32}}-\d{{4,20}})")
"""A name that is the id alone: 64 hex digits, or a task's of ECS on Fargate."""
_BUILD = re.compile(r"[0-9a-z]{25}")
_RUNTIMES = {
    "cri-containerd": "containerd",
    "nerdctl": "containerd",
    "crio": "cri-o",
    "libpod": "podman",
}
_FOLDERS = {
    "docker": "docker",
    "libpod_parent": "podman",
    "k8s.io": "containerd",
    "default": "containerd",
    "ecs": "ecs",
    "actions_job": "docker",
}
"""Runtime by the name of the folder above a bare id, which cgroupfs drivers make."""
_POD = re.compile(
    r"(?:.*-)?pod(?P<uid>[0-9a-f]{8}([-_])[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{12}|[0-9a-f]{32})"
    r"(?:\.slice(?::.*)?)?"
)
_MACHINE = re.compile(r"machine-(?P<name>.+)\.scope")
_NSPAWN = re.compile(r"systemd-nspawn@(?P<name>.+)\.service")
_LIBVIRT = re.compile(r"(?P<driver>qemu|xen|lxc)-\d+-(?P<name>.+)")
_LXC = re.compile(r"lxc\.payload\.(?P<name>.+)")
_LXC_PARENTS = frozenset({"lxc", "lxc.payload"})
_UNIT = re.compile(r".+\.(?:service|scope|socket|timer|mount|swap)")
_BESIDE = ("init.scope", "crio-conmon-", "libpod-conmon-")
"""Units that say nothing: the init of a tree, and the monitors that stand beside containers."""
_ESCAPE = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")


class Place(msgspec.Struct, frozen=True):
    """Where a process runs; None what the path does not say.

    container is its id, a machine's or LXC's name; runtime docker, containerd, cri-o, podman, nspawn, lxc,
    buildkit or ecs; pod the uid that Kubernetes gave; unit the innermost systemd unit within the container.
    """

    container: str | None = None
    runtime: str | None = None
    pod: str | None = None
    unit: str | None = None


def path_of(text: str) -> str | None:
    """Return the path that tells most in a /proc/PID/cgroup text: one that names a container, else v2's.

    Where containers are made with cgroup v1 beside systemd's v2, v2 has them in their daemon's service.
    """
    paths: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, separator, path = rest.partition(":")
        if separator:
            paths[controllers] = path
    said = [paths[name] for name in _CONTROLLERS if paths.get(name, "/") != "/"]
    if not said:
        return max(paths.values(), key=len, default=None)
    return next((path for path in said if place(path).container is not None), said[0])


@functools.lru_cache(maxsize=1024)
def place(path: str) -> Place:
    """Return where a process with this cgroup path runs; the innermost container and unit win."""
    parts = [part for part in path[:_LONGEST].split("/")[:_PARTS] if part]
    found, pod = Place(), None
    for at, part in enumerate(parts):
        in_pod = _POD.fullmatch(part)
        if in_pod is not None:
            pod = _uuid(in_pod["uid"])
        container = _container(part, parts[:at])
        if container is not None:
            found = Place(container[1], container[0], pod)
        elif _UNIT.fullmatch(part) and not part.startswith(_BESIDE):
            found = msgspec.structs.replace(found, unit=_unescape(part))
    return found if found.pod == pod else msgspec.structs.replace(found, pod=pod)


def _container(part: str, above: list[str]) -> tuple[str | None, str] | None:
    """Return runtime, None if it cannot be told, and id, when part names a container's cgroup."""
    named = _NAMED.fullmatch(part)
    if named is not None:
        return _RUNTIMES.get(named["by"], named["by"]), named["id"]
    parent = above[-1] if above else ""
    if _PLAIN.fullmatch(part):
        return _runtime_of(above), part
    if parent == "buildkit" and _BUILD.fullmatch(part):
        return "buildkit", part
    return _machine(part, parent)


def _runtime_of(above: Iterable[str]) -> str | None:
    """Return the runtime of a cgroupfs driver, by the innermost folder that tells."""
    for folder in reversed(list(above)):
        if folder in _FOLDERS:
            return _FOLDERS[folder]
        if folder.startswith(("kubepods", "pod")):
            return None  # the kubelet's folders are the same under docker and containerd
    return None


def _machine(part: str, parent: str) -> tuple[str | None, str] | None:
    """Return runtime and name of a systemd machine or an LXC container; a virtual machine is neither."""
    for pattern in (_MACHINE, _NSPAWN):
        match = pattern.fullmatch(part)
        if match is not None:
            name = _unescape(match["name"])
            foreign = _LIBVIRT.fullmatch(name)
            if foreign is None:
                return "nspawn", name
            return ("lxc", foreign["name"]) if foreign["driver"] == "lxc" else None
    match = _LXC.fullmatch(part)
    if match is not None:
        return "lxc", match["name"]
    return ("lxc", part) if parent in _LXC_PARENTS else None


def _uuid(text: str) -> str:
    """Return a pod's uid as Kubernetes writes it: systemd's slices have _ for -."""
    return text.replace("_", "-")


def _unescape(name: str) -> str:
    r"""Undo systemd's \xNN escapes."""
    return _ESCAPE.sub(
        lambda match: bytes.fromhex(match[0].replace(r"\x", "")).decode(errors="replace"), name
    )
