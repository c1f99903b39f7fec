"""Processes: OCSF's process activity, and a forged login identity as an authentication. Pure."""

from __future__ import annotations

from ..kind import Actor
from ..kinds import process
from . import parties
from .shape import AUTHENTICATION, HIGH, MS, PROCESS, Json, Shape, Shapes, known


def _exec(body: process.Exec) -> Shape:
    started = Actor(
        pid=body.pid,
        start=body.start,
        exe=body.exe,
        uid=body.uid,
        auid=body.auid,
        session=body.session,
        container=body.container,
        container_runtime=body.container_runtime,
        pod=body.pod,
        cmd_line=" ".join(body.argv) or None,
    )
    parent = Actor(pid=body.ppid, start=body.parent_start, auid=body.auid, session=body.session)
    said = parties.process(started) | known(
        file=parties.executable(body.exe, body.sha256),
        working_directory=body.cwd,
        euid=body.euid,
        user=parties.user(body.uid, body.user),
        group=None if body.gid is None else {"uid": str(body.gid)},
        session=parties.session(body.session, body.tty),
        parent_process=None if body.ppid is None else parties.process(parent),
        environment_variables=_environment(body.environment),
    )
    by = parties.actor(parent if body.ppid is not None else None)
    return Shape(1, {"process": said, "actor": by | known(user=parties.user(body.auid, body.login))})


def _environment(variables: dict[str, str] | None) -> list[Json] | None:
    if variables is None:
        return None
    return [{"name": name, "value": value} for name, value in variables.items()]


def _exit(body: process.Exit) -> Shape:
    who = Actor(
        pid=body.pid, start=body.start, exe=body.exe, uid=body.uid, auid=body.auid, session=body.session
    )
    duration = None if body.duration is None else body.duration // MS
    attributes = {"process": parties.process(who), "actor": parties.actor(who)}
    return Shape(2, attributes | known(exit_code=body.code, duration=duration))


def _identity_changed(body: process.IdentityChanged) -> Shape:
    former = body.former_auid
    attributes = {
        "user": parties.user(body.actor.auid) or {"name": "unset"},
        "actor": parties.actor(body.actor) | known(user=parties.user(former)),
        "service": {"name": "login identity"},
        "status_detail": f"login uid {former} became {body.actor.auid} without a login",
    }
    return Shape(7, attributes, HIGH)


SHAPES: Shapes = {
    process.Exec: (PROCESS, _exec),
    process.Exit: (PROCESS, _exit),
    process.IdentityChanged: (AUTHENTICATION, _identity_changed),
}
