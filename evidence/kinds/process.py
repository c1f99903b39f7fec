"""Processes: what was executed, by whom, and how it ended."""

from __future__ import annotations

from typing import Literal

from ..kind import Actor, Body, Part


class Ancestor(Part, frozen=True, kw_only=True):
    """One step up the process tree."""

    pid: int
    start: int | None = None
    exe: str | None = None


class Exec(Body, frozen=True, kw_only=True, tag="process.exec"):
    """A program was executed. argv is the array the program got; argv_length its full length in bytes.

    user and login are the account names of uid and auid. exe is the path as the program's own mounts show it;
    host_exe the host's path of the same file, where the two differ and it is known. container, its runtime,
    pod and unit are those of `evidence.kind.Actor`; unit is one within the container.
    At most 4 KiB of argv are kept: argv_length is greater than what is there when the last argument is cut or
    others follow it. elevated: the program got rights its caller does not have (set-uid, set-gid, file
    capabilities). capabilities are the effective ones of a program that does not run as root. memory_only: no
    file holds the program, it was a memfd or a file without a name any more. environment has the variables of
    the agent's allow-list alone. parent_cmd_line is told only where the agent's settings ask for it.
    `late` names the fields that were read from /proc after the fact, `missing` those that were gone by then.
    """

    pid: int
    start: int | None = None
    ppid: int | None = None
    parent_start: int | None = None
    exe: str | None = None
    host_exe: str | None = None
    cwd: str | None = None
    argv: tuple[str, ...] = ()
    argv_length: int | None = None
    sha256: str | None = None
    uid: int | None = None
    gid: int | None = None
    euid: int | None = None
    auid: int | None = None
    session: int | None = None
    user: str | None = None
    login: str | None = None
    elevated: bool = False
    capabilities: tuple[str, ...] = ()
    memory_only: Literal["memfd", "deleted"] | None = None
    tty: str | None = None
    cgroup: str | None = None
    unit: str | None = None
    container: str | None = None
    container_runtime: str | None = None
    pod: str | None = None
    environment: dict[str, str] | None = None
    ancestry: tuple[Ancestor, ...] = ()
    parent_cmd_line: str | None = None
    late: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class Exit(Body, frozen=True, kw_only=True, tag="process.exit"):
    """A process ended. duration and cpu are nanoseconds; one of code and signal is set where known."""

    pid: int
    start: int | None = None
    exe: str | None = None
    uid: int | None = None
    auid: int | None = None
    session: int | None = None
    code: int | None = None
    signal: int | None = None
    duration: int | None = None
    cpu: int | None = None


class IdentityChanged(Body, frozen=True, kw_only=True, tag="identity.changed"):
    """Login uid or audit session were rewritten without a login; the person stays the former."""

    lane = "priority"

    actor: Actor
    former_auid: int | None = None
    former_session: int | None = None


KINDS = (Exec, Exit, IdentityChanged)
