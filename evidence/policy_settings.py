"""The settings that a fleet policy may touch, each with its type, its bounds and its floor. Pure.

What is not here no policy can say: where the agent ships to, whom it trusts, keys, spool, lanes, redaction,
logins, acts of privilege and tampering, which logs are read, and how much CPU watch may use. The names are
those of the agent's settings. A field that is left out leaves the host's own setting alone.
"""

from __future__ import annotations

import posixpath
import re
from typing import Annotated

import msgspec

HOST_UIDS = 65_536
"""Uids below are the host's own; containers with users of their own have theirs above."""
OWN_UIDS_LIMIT = 1000
"""Uids of the host's own that one sensor may leave out."""
RANGE_LIMIT = 65_536
"""Uids of one range."""
FLOOR_TREES = ("/etc", "/root/.ssh", "/var/spool/cron")
"""Trees that every list of trees must name, or a folder they are in."""
FLOOR_SENSITIVE = ("/etc/shadow", "/etc/gshadow", "/etc/ssh/ssh_host_*_key")
FLOOR_SOCKETS = (
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/podman/podman.sock",
)
NEVER_EXCLUDED = (
    *("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/sudoers", "/etc/sudoers.d"),
    *("/etc/ssh", "/etc/pam.d", "/etc/pam.conf", "/etc/security", "/etc/ld.so.preload", "/etc/ld.so.conf"),
    *("/etc/ld.so.conf.d", "/etc/profile", "/etc/profile.d", "/etc/systemd", "/etc/init.d", "/etc/crontab"),
    *("/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly"),
    *("/etc/vedette", "/etc/audit", "/etc/rsyslog.conf", "/etc/rsyslog.d", "/root/.ssh", "/var/spool/cron"),
    *("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin"),
)
"""What no policy excludes: neither itself, nor a folder above it, nor anything below it."""
NEVER_IGNORED = (
    *("sshd", "sshd-session", "sshd-auth", "login", "su", "sudo", "doas", "pkexec", "passwd", "chage"),
    *("useradd", "usermod", "userdel", "groupadd", "chpasswd", "visudo", "crontab", "at", "systemctl"),
    *("rbash", "rsh", "rcp", "rlogin", "slogin", "telnet", "ftp", "newgrp", "sg", "systemd", "init", "cron"),
    *("crond", "atd", "runuser", "awk", "gawk", "mawk", "nawk", "tclsh", "expect", "find", "xargs", "git"),
    *("sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "busybox", "toybox", "env", "setpriv", "unshare"),
    *("nsenter", "insmod", "modprobe", "kmod", "bpftool", "auditctl", "gdb", "strace", "python", "python3"),
    *("perl", "ruby", "node", "php", "lua", "ssh", "scp", "sftp", "rsync", "curl", "wget", "nc", "ncat"),
    *("socat", "tar", "gpg", "openssl", "vedette-agent"),
)
"""Programs that no policy leaves out, nor with a version behind the name, nor by a pattern that may fit."""
NO_PROGRAMS = ("/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp")  # noqa: S108 - refused, not used
"""Folders in which a path says nothing of the program."""
WILD_PARTS = 2
_VERSION = "0123456789."
_WILD = re.compile(r"[*?\[]")

Path = Annotated[str, msgspec.Meta(min_length=2, max_length=1024, pattern=r"^/[^\x00-\x1f\x7f]*\Z")]
Paths = Annotated[tuple[Path, ...], msgspec.Meta(max_length=256)]
Programs = Annotated[tuple[Path, ...], msgspec.Meta(max_length=16)]
Uid = Annotated[int, msgspec.Meta(gt=0, lt=0xFFFF_FFFF)]
Uids = Annotated[tuple[tuple[Uid, Uid], ...], msgspec.Meta(max_length=8)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A section refuses what it does not know: a host that does not understand a policy says so."""


class Ignore(Section, frozen=True):
    """What a sensor leaves out in the kernel, and counts. Never what is of a login session."""

    programs: Programs | None = None
    uids: Uids | None = None

    def __post_init__(self) -> None:
        """Hold the floor.

        Raises:
            ValueError: a program, a pattern or a range would leave out what every host must tell.
        """
        for pattern in self.programs or ():
            _check_program(pattern)
        for first, last in self.uids or ():
            if not 0 <= last - first < RANGE_LIMIT:
                raise ValueError(f"[{first}, {last}]: a range holds 1 to {RANGE_LIMIT} uids, the lower first")
        own = sum(max(0, min(last, HOST_UIDS - 1) - first + 1) for first, last in self.uids or ())
        if own > OWN_UIDS_LIMIT:
            raise ValueError(f"{own} uids below {HOST_UIDS} are left out, at most {OWN_UIDS_LIMIT}")


class Filtered(Section, frozen=True):
    """A sensor of which a policy sets the filters alone."""

    ignore: Ignore | None = None


class File(Section, frozen=True):
    """Trees, sensitive files, decoys, and how fast a scan reads."""

    trees: Paths | None = None
    exclude: Paths | None = None
    sensitive: Paths | None = None
    decoys: Paths | None = None
    scan_bytes_per_s: Annotated[int, msgspec.Meta(ge=1 << 20, le=1 << 32)] | None = None
    scan_files_per_s: Annotated[int, msgspec.Meta(ge=100, le=1_000_000)] | None = None
    scan_cpu_share: Annotated[float, msgspec.Meta(ge=0.05, le=1)] | None = None
    read_window: Annotated[float, msgspec.Meta(ge=1, le=600)] | None = None

    def __post_init__(self) -> None:
        """Hold the floor.

        Raises:
            ValueError: a list lacks what every host watches, or what it must watch is excluded.
        """
        if self.trees is not None:
            for floor in FLOOR_TREES:
                if not any(_is_within(floor, tree) for tree in self.trees):
                    raise ValueError(f"trees must name {floor}, or a folder it is in")
        if self.sensitive is not None:
            _check_holds("sensitive", self.sensitive, FLOOR_SENSITIVE)
        for path in (*(self.trees or ()), *(self.exclude or ())):
            if posixpath.normpath(path) != path:
                raise ValueError(f"{path}: write it as {posixpath.normpath(path)}")
        for path in self.exclude or ():
            for never in NEVER_EXCLUDED:
                if _is_within(path, never) or _is_within(never, path):
                    raise ValueError(f"{path} cannot be excluded: every host watches {never}")


class HostState(Section, frozen=True):
    """When the host's state is read again, and when its inventory is sent again."""

    poll_seconds: Annotated[float, msgspec.Meta(ge=60, le=3600)] | None = None
    inventory_seconds: Annotated[float, msgspec.Meta(ge=600, le=604_800)] | None = None


class Acts(Section, frozen=True):
    """Sockets that give power over the host."""

    sockets: Annotated[tuple[Path, ...], msgspec.Meta(max_length=64)] | None = None

    def __post_init__(self) -> None:
        """Hold the floor.

        Raises:
            ValueError: a socket that every host watches is missing.
        """
        if self.sockets is not None:
            _check_holds("sockets", self.sockets, FLOOR_SOCKETS)


class PolicySettings(Section, frozen=True):
    """All that a policy may set."""

    heartbeat: Annotated[float, msgspec.Meta(ge=1, le=300)] | None = None
    process: Filtered | None = None
    connection: Filtered | None = None
    datagram: Filtered | None = None
    dns: Filtered | None = None
    file: File | None = None
    host_state: HostState | None = None
    acts: Acts | None = None


def without_filters(settings: PolicySettings) -> PolicySettings:
    """Return settings less all that leaves something out: what holds of a policy after its end."""
    file = settings.file
    if file is not None:
        file = msgspec.structs.replace(file, exclude=None)
    return msgspec.structs.replace(
        settings, process=None, connection=None, datagram=None, dns=None, file=file
    )


def names(settings: PolicySettings) -> tuple[str, ...]:
    """Return the dotted names of what a policy sets."""
    return tuple(_names(msgspec.to_builtins(settings), ""))


def _names(table: dict[str, object], prefix: str) -> list[str]:
    found: list[str] = []
    for key, value in table.items():
        found += _names(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key]
    return found


def _check_holds(name: str, given: tuple[str, ...], floor: tuple[str, ...]) -> None:
    missing = [path for path in floor if path not in given]
    if missing:
        raise ValueError(f"{name} must name {', '.join(missing)}, as every host watches it")


def must_be_told(name: str) -> str | None:
    """Return which program that no policy leaves out a base name stands for, with or without a version."""
    bare = name.rstrip(_VERSION)
    return next((never for never in NEVER_IGNORED if never in (name, bare)), None)


def _check_program(pattern: str) -> None:
    """Refuse what names a program that must be told, or may: a name goes for all that begins like it."""
    parts = pattern.split("/")[1:]
    if posixpath.normpath(pattern) != pattern:
        raise ValueError(f"{pattern}: write it as {posixpath.normpath(pattern)}")
    if "**" in pattern or sum(_WILD.search(part) is not None for part in parts) > WILD_PARTS:
        raise ValueError(f"{pattern}: ** or more than {WILD_PARTS} parts with wildcards: it may fit too much")
    if _WILD.search(parts[0]) is not None:
        raise ValueError(f"{pattern}: begin it with the name of a folder")
    for root in NO_PROGRAMS:
        if _is_within(pattern, root):
            raise ValueError(f"{pattern}: no path of a program; what lies in {root} is another at each look")
    known = _WILD.split(parts[-1])[0]
    never = must_be_told(known)
    if never is None and known != parts[-1]:
        never = next((one for one in NEVER_IGNORED if one.startswith(known)), None)
    if never is not None:
        raise ValueError(f"{pattern} cannot be left out: every host tells what {never} does")


def _is_within(path: str, folder: str) -> bool:
    """Return whether path is folder, or lies below it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
