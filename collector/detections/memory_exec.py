"""A person executed a program that no file holds: a memfd, or a file that was deleted before."""

from __future__ import annotations

from evidence.kinds.process import Ancestor, Exec

from ..by_person import by_person, command, is_change, is_system_program, session_of
from ..examples import BASH, SERVICE, WINDOW, at_once, by_cron, run
from ..measures.session_work import describe
from ..one_event import finding
from ..record import Record
from ..rule import Detection, Finding, Parameter, Site

_RUNTIMES = Parameter(
    "runtimes",
    "runc crun youki conmon podman docker buildah lxc-start lxc-attach flatpak bwrap snap-confine systemd"
    " systemd-executor dockerd containerd-shim-runc-v2 tmux screen",
    "program names",
    "these execute a copy of themselves from memory, or go on after their file was upgraded",
)


def _find(record: Record, site: Site) -> Finding | None:
    body = record.event.body
    if not isinstance(body, Exec) or body.memory_only is None:
        return None
    person = by_person(record, site)
    if person is None or is_change(record, site):
        return None
    runtimes = site.words(_ID, _RUNTIMES)
    if body.ancestry and is_system_program(body.ancestry[0].exe, runtimes):
        return None
    exe = (body.exe or "").removesuffix(" (deleted)")
    if body.memory_only == "deleted" and is_system_program(exe, {exe.rpartition("/")[2]}):
        return None  # upgraded while it ran, and started itself again
    what = "from memory" if body.memory_only == "memfd" else "whose file was deleted"
    return finding(
        record,
        f"{session_of(record)}|{exe}",
        f"{describe(person)} executed a program {what} on {record.host}: {exe} {command(body)}",
        sha256=body.sha256 or "",
    )


_ID = "memory-exec"
_MEMFD = "/memfd:x (deleted)"
_RUNC = Ancestor(pid=41, exe="/usr/bin/runc")
_PYTHON = Ancestor(pid=41, exe="/usr/bin/python3.11")
_FAKE = Ancestor(pid=41, exe="/home/alice/runc")

DETECTION = Detection(
    id=_ID,
    version=1,
    title="Program executed that no file holds",
    severity="medium",
    attack=("T1620", "T1027.011"),
    kinds=(Exec,),
    find=_find,
    parameters=(_RUNTIMES,),
    programs=lambda _site: frozenset(),
    unusual=True,
    hits=(
        at_once("python makes a memfd", run("x", exe=_MEMFD, memory_only="memfd", ancestry=(_PYTHON, BASH))),
        at_once("under the name of runc", run("runc", exe=_MEMFD, memory_only="memfd", ancestry=(_FAKE,))),
        at_once("deleted before it ran", run("x", exe="/tmp/x (deleted)", memory_only="deleted")),  # noqa: S108 - data
    ),
    misses=(
        at_once("runc protects itself", run("runc", exe=_MEMFD, memory_only="memfd", ancestry=(_RUNC,))),
        at_once("a service", Exec(pid=5, exe=_MEMFD, uid=0, memory_only="memfd")),
        at_once(
            "a shell whose package was upgraded",
            run("bash", exe="/usr/bin/bash (deleted)", memory_only="deleted"),
        ),
        at_once("an ordinary program", run("python3", "-c", "import os")),
        at_once("root's timer", *by_cron("x", exe=_MEMFD, memory_only="memfd")),
        at_once("a robot's account", run("x", exe=_MEMFD, memory_only="memfd"), organisation=SERVICE),
        at_once("announced work", run("x", exe=_MEMFD, memory_only="memfd"), organisation=WINDOW),
    ),
)
