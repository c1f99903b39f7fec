"""A person took the host by way of a container: privileged, with its disk, or into its namespaces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from evidence.kind import Actor
from evidence.kinds.act import Enter, Mount
from evidence.kinds.process import Exec

from ..by_person import SHELLS, applet, by_person, command, is_change, session_of
from ..examples import SERVICE, WINDOW, alice, at_once, by_cron, run
from ..measures.session_work import describe
from ..one_event import finding
from ..record import Record
from ..rule import Detection, Finding, Parameter, Site

_HOST_PATHS = Parameter(
    "host_paths",
    "/ /etc /root /home /var /var/lib /var/run /run /boot /dev /proc /sys /usr /var/run/docker.sock"
    " /run/docker.sock /run/containerd/containerd.sock",
    "paths",
    "who may write here from a container has the host",
)
_RUNTIMES = frozenset({"docker", "podman", "nerdctl", "ctr"})
_STARTS = frozenset({"run", "create", "exec"})
_NAMESPACES = frozenset({"--pid=host", "--ipc=host", "--uts=host", "--userns=host", "--cgroupns=host"})
_CAPABILITIES = frozenset({"all", "sys_admin", "sys_ptrace", "sys_module", "dac_read_search", "sys_rawio"})
_TARGET = re.compile(r"(?:^|\s)(?:-\w*t\s*1|--target[= ]1)(?=\s|$)")
_OVERWRITE = re.compile(r">\s*\S*/(?:release_agent|core_pattern|uevent_helper|modprobe)\b")
_PROGRAMS = frozenset({*_RUNTIMES, *SHELLS, "nsenter", "tee"})
_INIT_PID = 4_026_531_836
"""The number of the first pid namespace (PROC_PID_INIT_INO in the kernel's proc_ns.h)."""
_DISKS = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "vfat"})


def _find(record: Record, site: Site) -> Finding | None:
    body = record.event.body
    if isinstance(body, Exec):
        what = _in_command(body, site) if body.argv else None
        medium = what is not None and applet(body) in _RUNTIMES
    else:
        what, medium = _in_act(body), False
    if what is None:
        return None
    person = by_person(record, site)
    if person is None or is_change(record, site):
        return None
    return finding(
        record,
        f"{session_of(record)}|{what}",
        f"{describe(person)} {what} on {record.host}{_said(body)}",
        severity="medium" if medium else "high",
    )


def _said(body: object) -> str:
    return f" with: {command(body)}" if isinstance(body, Exec) else ""


def _in_command(body: Exec, site: Site) -> str | None:
    name, text = applet(body), " ".join(body.argv)
    if name in _RUNTIMES:
        return _in_runtime(body.argv, site.words(_ID, _HOST_PATHS))
    if name == "nsenter":
        return "entered the namespaces of process 1" if _TARGET.search(text) else None
    if name == "tee":
        text = f"> {text}"
    return "had the kernel run a program of theirs" if _OVERWRITE.search(text) else None


def _in_act(body: object) -> str | None:
    if isinstance(body, Enter):
        if body.inode != _INIT_PID or body.actor is None or body.actor.container is None:
            return None
        return "left a container for the host's processes"
    if isinstance(body, Mount) and body.actor is not None and body.actor.container is not None:
        is_disk = body.action == "mount" and body.filesystem in _DISKS and body.done is not False
        return "mounted a disk from inside a container" if is_disk else None
    return None


def _in_runtime(argv: tuple[str, ...], host_paths: frozenset[str]) -> str | None:
    """Return what a command line gives a container of the host's powers."""
    if _STARTS.isdisjoint(argv[1:6]):
        return None
    options = [one.lower() for one in argv]
    if "--privileged" in options or "--privileged=true" in options:
        return "started a privileged container"
    pairs = {f"{one}={following}" for one, following in pairwise(options)}
    if not _NAMESPACES.isdisjoint({*options, *pairs}):
        return "started a container in the host's namespaces"
    added = {
        one.partition("=")[2].removeprefix("cap_")
        for one in (*options, *pairs)
        if one.startswith("--cap-add=")
    }
    if not _CAPABILITIES.isdisjoint(added):
        return "started a container with powers over the host"
    if any(path in host_paths for path in _mounted(argv)):
        return "started a container that may write the host's files"
    return None


def _mounted(argv: tuple[str, ...]) -> Iterator[str]:
    """Yield the host's paths that the container gets to write."""
    for option, following in zip(argv, (*argv[1:], ""), strict=False):
        name, equals, value = option.partition("=")
        value = value if equals else following
        if name in ("-v", "--volume"):
            source, _, rest = value.partition(":")
            if "ro" not in rest.rpartition(":")[2].split(","):
                yield source.rstrip("/") or source[:1]
        elif name == "--mount":
            fields = dict(part.partition("=")[::2] for part in value.split(","))
            source = fields.get("source") or fields.get("src") or ""
            if fields.get("type", "bind") == "bind" and not {"readonly", "ro"} & fields.keys():
                yield source.rstrip("/") or source[:1]


_ID = "container-escape"
_INSIDE = alice("/usr/bin/nsenter", container="3f4e", container_runtime="docker")
_CSI = Actor(pid=5, exe="/csi-driver", uid=0, container="3f4e")

DETECTION = Detection(
    id=_ID,
    version=1,
    title="Host taken by way of a container",
    severity="high",
    attack=("T1611", "T1610"),
    kinds=(Exec, Enter, Mount),
    find=_find,
    programs=lambda _site: _PROGRAMS,
    parameters=(_HOST_PATHS,),
    hits=(
        at_once("privileged", run("docker", "run", "-it", "--privileged", "alpine", uid=1000)),
        at_once("the host's root", run("docker", "run", "-v", "/:/h", "alpine", "chroot", "/h", uid=1000)),
        at_once("the same as a mount", run("podman", "run", "--mount", "type=bind,src=/,dst=/h", "alpine")),
        at_once("the host's processes", run("docker", "run", "--pid", "host", "alpine")),
        at_once("one capability too many", run("docker", "run", "--cap-add=SYS_ADMIN", "alpine")),
        at_once("the socket given in", run("docker", "run", "-v/x:/x", "-v", "/var/run/docker.sock:/s", "a")),
        at_once("nsenter into init", run("nsenter", "-t", "1", "-m", "-p", "bash")),
        at_once("in one word", run("nsenter", "-at1")),
        at_once("release_agent", run("sh", "-c", "echo /x > /tmp/cg/release_agent")),
        at_once(
            "setns from within, whatever the program",
            Enter(namespaces=("pid",), inode=_INIT_PID, actor=_INSIDE),
        ),
        at_once(
            "the disk mounted within", Mount(action="mount", path="/h", filesystem="ext4", actor=_INSIDE)
        ),
    ),
    misses=(
        at_once(
            "node-exporter sees the host read-only",
            run(
                "docker",
                "run",
                "-v",
                "/:/host:ro,rslave",
                "--mount",
                "type=bind,src=/,dst=/h,readonly",
                "exporter",
            ),
        ),
        at_once("an ordinary container", run("docker", "run", "-v", "/srv/shop:/data", "shop")),
        at_once("a command in a container", run("docker", "exec", "-it", "shop", "sh")),
        at_once(
            "a CSI driver mounts a volume", Mount(action="mount", filesystem="ext4", path="/m", actor=_CSI)
        ),
        at_once("a CSI driver enters the host", Enter(namespaces=("pid",), inode=_INIT_PID, actor=_CSI)),
        at_once("a robot's account", run("docker", "run", "--privileged", "dind"), organisation=SERVICE),
        at_once("announced work", run("nsenter", "-t", "1", "-m"), organisation=WINDOW),
        at_once("root's timer", *by_cron("docker", "run", "--privileged", "backup")),
        at_once("another process's namespaces", run("nsenter", "-t", "4711", "-n", "ss")),
        at_once("containers are listed", run("docker", "ps", "--filter", "label=privileged")),
    ),
)
